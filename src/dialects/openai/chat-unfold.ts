/** Tells a whole completion as the stream that a client asked for. */
import { parseJson } from '../../json.ts'
import { endOfStream } from './chat-usage.ts'
import { asObject, isObject } from './counts.ts'

type Fields = Record<string, unknown>

/** The chunks of the completion in `body`; undefined when it is none. */
export function unfold(body: Uint8Array): string | undefined {
  const completion = parseJson(new TextDecoder().decode(body))
  if (!isObject(completion) || !Array.isArray(completion.choices)) return undefined
  const { choices, usage, ...fields } = completion
  const chunk = (told: Fields): string =>
    `data: ${JSON.stringify({ ...fields, object: 'chat.completion.chunk', ...told })}\n\n`
  const said = completion.choices.filter(isObject).flatMap((choice) => {
    const { index = 0, message, finish_reason = 'stop' } = choice
    return [
      chunk({ choices: [{ index, delta: deltaOf(asObject(message)), finish_reason: null }] }),
      chunk({ choices: [{ index, delta: {}, finish_reason }] }),
    ]
  })
  const counts = usage ? [chunk({ choices: [], usage })] : []
  return [...said, ...counts, `data: ${endOfStream}\n\n`].join('')
}

/** Calls of tools have a place in a delta, and none in a message. */
function deltaOf(message: Fields): Fields {
  const { tool_calls: calls } = message
  if (!Array.isArray(calls)) return message
  return {
    ...message,
    tool_calls: calls.map((call, index) => (isObject(call) ? { index, ...call } : call)),
  }
}
