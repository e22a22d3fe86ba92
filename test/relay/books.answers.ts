/** Answers that a drawn upstream gives, in the forms of three APIs, and what it reports with them. */
import type { Behaviour } from '../support/upstream.ts'
import type { Counts, Ending, Operation, Script } from './books.script.ts'

const event = (type: string, fields: object) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
const data = (fields: object) => `data: ${JSON.stringify(fields)}\n\n`
const spell =
  ({ isText }: Script) =>
  (count: number) =>
    isText ? String(count) : count

function anthropicUsage(script: Script, counts: Partial<Counts>) {
  const { fresh = 0, read = 0, written = 0, writtenLong = 0, output = 0, searches = 0 } = counts
  const say = spell(script)
  return {
    input_tokens: say(fresh),
    cache_read_input_tokens: say(read),
    cache_creation_input_tokens: say(written + writtenLong),
    cache_creation: {
      ephemeral_5m_input_tokens: say(written),
      ephemeral_1h_input_tokens: say(writtenLong),
    },
    output_tokens: say(output),
    server_tool_use: { web_search_requests: searches },
  }
}

function responsesUsage(script: Script) {
  const { fresh, read, written, writtenLong, output, reasoning } = script.counts
  const say = spell(script)
  return {
    input_tokens: say(fresh + read + written + writtenLong),
    input_tokens_details: {
      cached_tokens: say(read),
      cache_write_tokens: say(written + writtenLong),
      cache_write_tokens_details: {
        ttl_30m_tokens: say(written),
        ttl_12h_tokens: say(writtenLong),
      },
    },
    output_tokens: say(output),
    output_tokens_details: { reasoning_tokens: say(reasoning) },
  }
}

function chatUsage(script: Script) {
  const { fresh, read, written, output, reasoning } = script.counts
  const say = spell(script)
  return {
    prompt_tokens: say(fresh + read + written),
    completion_tokens: say(output),
    prompt_tokens_details: { cached_tokens: say(read), cache_write_tokens: say(written) },
    completion_tokens_details: { reasoning_tokens: say(reasoning) },
  }
}

const model = (operation: Operation) => (operation === 'messages' ? 'claude-sonnet-4-6' : 'gpt-5')

function errorOf({ operation, ending }: Script) {
  const message = 'It failed'
  const isRefused = ending === 'refusedBefore'
  if (operation === 'messages') {
    return { type: isRefused ? 'invalid_request_error' : 'api_error', message }
  }
  return isRefused
    ? { type: 'invalid_request_error', code: 'invalid_prompt', message }
    : { type: 'server_error', code: 'server_error', message }
}

/** The parts of a stream: what precedes content, content, and the events of each end. */
export interface Parts {
  preamble: string[]
  content: string[]
  end: string[]
  error: string
}

function messageParts(script: Script): Parts {
  const { counts, deltas, report } = script
  const { output, searches, ...input } = counts
  const start = report === 'atEnd' ? {} : { ...input, output: Math.min(1, output) }
  const usage =
    report === 'atStart'
      ? { output_tokens: output, server_tool_use: { web_search_requests: searches } }
      : anthropicUsage(script, counts)
  const message = { id: 'msg_1', type: 'message', role: 'assistant', content: [] }
  const begun = { ...message, model: model(script.operation), usage: anthropicUsage(script, start) }
  return {
    preamble: [event('message_start', { message: begun })],
    content: [
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      ...deltas.map((text) =>
        event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }),
      ),
    ],
    end: [
      event('content_block_stop', { index: 0 }) +
        event('message_delta', { delta: { stop_reason: 'end_turn' }, usage }),
      event('message_stop', {}),
    ],
    error: event('error', { error: errorOf(script) }),
  }
}

function statusOf(ending: Ending): string {
  if (ending === 'failed' || ending === 'failedBefore') return 'failed'
  return ending === 'incomplete' ? ending : 'completed'
}

function responseBody(script: Script, status: string) {
  const { counts, deltas, id, operation } = script
  const isOver = status !== 'in_progress'
  const content = [{ type: 'output_text', text: deltas.join('') }]
  const object = operation === 'responses_compact' ? 'response.compaction' : 'response'
  return {
    ...{ id, object, status, model: model(operation) },
    error: status === 'failed' ? { code: 'server_error', message: 'It failed' } : null,
    output: isOver ? [{ type: 'message', id: 'msg_1', role: 'assistant', content }] : [],
    usage: isOver ? responsesUsage(script) : null,
    tool_usage: { web_search: { num_requests: isOver ? counts.searches : 0 } },
  }
}

function responseParts(script: Script): Parts {
  const { ending, deltas } = script
  const status = statusOf(ending)
  const at = { item_id: 'msg_1', output_index: 0, content_index: 0 }
  const begun = responseBody(script, 'in_progress')
  return {
    preamble: [
      event('response.created', { response: begun }),
      event('response.in_progress', { response: begun }),
    ],
    content: deltas.map((delta) => event('response.output_text.delta', { ...at, delta })),
    end: [event(`response.${status}`, { response: responseBody(script, status) })],
    error: event('error', { ...errorOf(script), type: 'error', param: null }),
  }
}

function chatParts(script: Script): Parts {
  const { deltas, report } = script
  const usage = chatUsage(script)
  const fields = {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    model: model(script.operation),
  }
  const chunk = (delta: object, finish_reason: string | null, more: object = { usage: null }) =>
    data({ ...fields, choices: [{ index: 0, delta, finish_reason }], ...more })
  // Some relays count in the chunk that finishes, not in one of its own.
  const finish =
    report === 'atStart'
      ? [chunk({}, 'stop', { usage })]
      : [chunk({}, 'stop'), data({ ...fields, choices: [], usage })]
  return {
    preamble: [chunk({ role: 'assistant', content: '' }, null)],
    content: deltas.map((content) => chunk({ content }, null)),
    end: [finish.join(''), 'data: [DONE]\n\n'],
    error: data({ error: errorOf(script) }),
  }
}

/** The parts of a stream of each API. */
export const partsOf = {
  messages: messageParts,
  responses: responseParts,
  responses_compact: responseParts,
  chat: chatParts,
}

function streamOf(script: Script): Behaviour {
  const { operation, ending, pieceBytes } = script
  const { preamble, content, end, error } = partsOf[operation](script)
  const isBefore = ending.endsWith('Before')
  const told = [...preamble, ...(isBefore ? [] : content)]
  if (/^(error|refused)/.test(ending)) told.push(error)
  if (['complete', 'incomplete', 'failed', 'failedBefore'].includes(ending)) told.push(...end)
  if (ending === 'withoutLast') told.push(...end.slice(0, -1))
  const bytes = Buffer.from(told.join(''))
  return ({ response, cut }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let from = 0; from < bytes.length; from += pieceBytes) {
      response.write(bytes.subarray(from, from + pieceBytes))
    }
    if (ending.startsWith('cut')) cut('end')
    else if (ending !== 'silence') response.end()
  }
}

function wholeOf(script: Script): object {
  const { operation, deltas, counts, ending } = script
  const text = deltas.join('')
  if (operation === 'messages') {
    const message = { id: 'msg_1', type: 'message', role: 'assistant', model: model(operation) }
    const content = [{ type: 'text', text }]
    return { ...message, content, stop_reason: 'end_turn', usage: anthropicUsage(script, counts) }
  }
  if (operation === 'chat') {
    const choices = [
      { index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' },
    ]
    const fields = { id: 'chatcmpl-1', object: 'chat.completion', model: model(operation) }
    return { ...fields, choices, usage: chatUsage(script) }
  }
  return responseBody(script, statusOf(ending))
}

function jsonOf(script: Script): Behaviour {
  const { ending } = script
  const whole = Buffer.from(JSON.stringify(wholeOf(script)))
  return ({ response, cut }) => {
    const headers = { 'content-type': 'application/json', 'content-length': whole.length }
    response.writeHead(200, headers)
    if (ending.startsWith('cut'))
      response.write(whole.subarray(0, whole.length / 2), () => cut('end'))
    else response.end(whole)
  }
}

/** Gives the answer in the form that the script says. */
export const answerOf = (script: Script): Behaviour =>
  script.isStream ? streamOf(script) : jsonOf(script)
