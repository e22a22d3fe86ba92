/** Tells an Anthropic message as the stream that a client asked for. */
import { parseJson } from '../../json.ts'
import { childrenOf, runAtOnce, scanObject } from '../json-scan.ts'

type Fields = Record<string, unknown>

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const event = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

/** The events of the message in `body`; undefined when it is none. */
export function unfold(body: Uint8Array): string | undefined {
  const message = parseJson(new TextDecoder().decode(body))
  if (!isObject(message) || message.type !== 'message') return undefined
  const { content = [], stop_reason = 'end_turn', stop_sequence = null, usage = {} } = message
  const said = typeof content === 'string' ? [{ type: 'text', text: content }] : content
  if (!Array.isArray(said)) return undefined
  const begun = { ...message, content: [], stop_reason: null, stop_sequence: null, usage }
  const inputs = toolInputs(body)
  const blocks = said.map((block, index) =>
    isObject(block) ? blockEvents(block, index, inputs[index]) : '',
  )
  return [
    event('message_start', { message: begun }),
    ...blocks,
    event('message_delta', { delta: { stop_reason, stop_sequence }, usage }),
    event('message_stop', {}),
  ].join('')
}

function blockEvents(block: Fields, index: number, toolInput: string | undefined): string {
  const deltas: Fields[] = []
  const begun = { ...block }
  const { text, thinking, signature, citations, input } = block
  if (typeof text === 'string') {
    begun.text = ''
    deltas.push({ type: 'text_delta', text })
  }
  if (Array.isArray(citations)) {
    begun.citations = []
    deltas.push(...citations.map((citation) => ({ type: 'citations_delta', citation })))
  }
  if (typeof thinking === 'string') {
    begun.thinking = ''
    deltas.push({ type: 'thinking_delta', thinking })
  }
  if (typeof signature === 'string') {
    begun.signature = ''
    deltas.push({ type: 'signature_delta', signature })
  }
  if (input !== undefined) {
    begun.input = {}
    const partial_json = toolInput ?? JSON.stringify(input)
    deltas.push({ type: 'input_json_delta', partial_json })
  }
  return [
    event('content_block_start', { index, content_block: begun }),
    ...deltas.map((delta) => event('content_block_delta', { index, delta })),
    event('content_block_stop', { index }),
  ].join('')
}

/** The input of each block that has one, as it was written: numbers may be longer than ours. */
function toolInputs(body: Uint8Array): (string | undefined)[] {
  const decoder = new TextDecoder()
  try {
    const content = runAtOnce(scanObject(body)).findLast(({ key }) => key === 'content')
    if (!content) return []
    const blocks = [...childrenOf(body, content)].filter((child) => child !== undefined)
    return blocks.map(({ start, end }) => {
      const block = body.subarray(start, end)
      const input = runAtOnce(scanObject(block)).findLast(({ key }) => key === 'input')
      return input && decoder.decode(block.subarray(input.start, input.end))
    })
  } catch {
    // A block that is no object, or a message deeper than the scanner goes.
    return []
  }
}
