/** What the upstream says to the real clients: a tool call first where that is asked for, and then text. */

import { responsesStream } from '../support/openai.ts'
import { socketResponse } from '../support/socket-upstream.ts'
import { anthropicStream, type Behaviour, json } from '../support/upstream.ts'

const answer = 'the answer of the upstream'
export const expectedText = answer
/** A prompt with this word makes the upstream call a tool. */
export const toolWord = 'usetool'

const event = (type: string, fields: object) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

/** Claude Code's Bash, with one harmless command. */
const anthropicTool: Behaviour = ({ response, served }) => {
  const usage = {
    input_tokens: 12,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: 7,
  }
  served.usage = usage
  const message = { id: 'msg_t', type: 'message', role: 'assistant', model: 'm', content: [] }
  const input = JSON.stringify({ command: 'echo from-the-tool', description: 'Print a word' })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.end(
    event('message_start', { message: { ...message, stop_reason: null, usage } }) +
      event('content_block_start', {
        index: 0,
        content_block: { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: {} },
      }) +
      event('content_block_delta', {
        index: 0,
        delta: { type: 'input_json_delta', partial_json: input },
      }) +
      event('content_block_stop', { index: 0 }) +
      event('message_delta', { delta: { stop_reason: 'tool_use', stop_sequence: null }, usage }) +
      event('message_stop', {}),
  )
}

/** Answers each client in its own protocol. */
export const converse: Behaviour = (exchange) => {
  const { request } = exchange
  const path = request.path.split('?')[0] ?? ''
  if (path.endsWith('/count_tokens')) return json(200, { input_tokens: 5 })(exchange)
  if (path.endsWith('/responses')) return responsesStream({ deltas: [answer] })(exchange)
  const text = request.body.toString()
  const wantsTool = text.includes(toolWord) && !text.includes('toolu_1') && text.includes('"Bash"')
  if (wantsTool) return anthropicTool(exchange)
  return anthropicStream({ deltas: [answer] })(exchange)
}

/** The same on a WebSocket. */
export const converseOnSocket: Parameters<typeof socketResponse>[0] extends infer Socket
  ? (message: Record<string, unknown>, socket: Socket) => void
  : never = (message, socket) => {
  const item = {
    type: 'message',
    id: 'msg_1',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text: answer, annotations: [] }],
  }
  if (message.generate === false) return socketResponse(socket, message, { deltas: [] })
  const done = { type: 'response.output_item.done', output_index: 0, item }
  socket.send(JSON.stringify(done))
  socketResponse(socket, message, { deltas: [answer] })
}
