/** A small upstream on loopback that speaks Anthropic Messages, for trying the gateway out. */
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface SampleUpstream {
  url: string
  /** The only key that it serves. */
  apiKey: string
  close(): Promise<void>
}

const answer = `Hello! You are reading a stream that travelled through your own gateway. \
It looked up your key, chose a healthy account, and swapped your key for that account's before \
anything left the machine. Each word reached you the moment it was written; nothing was held \
back or rewritten. When I stop, the gateway records what this cost, exactly once.`

const pauseMs = 15

/** As after a system prompt of some length was read from the cache. */
const inputUsage = {
  input_tokens: 24,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 1_850,
}

/** Words with the blank before them. */
const words = answer.match(/\s*\S+/g) ?? []
/** Roughly what a tokenizer would count. */
const outputTokens = Math.round(words.length * 1.3)

async function readBody(request: IncomingMessage): Promise<{ model: string; stream: boolean }> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const { model, stream } = JSON.parse(Buffer.concat(chunks).toString())
  return { model: String(model), stream: stream === true }
}

const messageOf = (model: string) => ({
  id: `msg_${randomBytes(12).toString('hex')}`,
  type: 'message',
  role: 'assistant',
  model,
  stop_sequence: null,
})

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

const refuse = (response: ServerResponse, status: number, type: string, message: string) =>
  sendJson(response, status, { type: 'error', error: { type, message } })

async function stream(response: ServerResponse, model: string): Promise<void> {
  const send = (type: string, fields: object = {}) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`)
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  const usage = { ...inputUsage, output_tokens: 1 }
  send('message_start', { message: { ...messageOf(model), content: [], stop_reason: null, usage } })
  send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } })
  for (const text of words) {
    send('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })
    await delay(pauseMs)
    if (response.destroyed) return
  }
  send('content_block_stop', { index: 0 })
  const delta = { stop_reason: 'end_turn', stop_sequence: null }
  send('message_delta', { delta, usage: { ...inputUsage, output_tokens: outputTokens } })
  send('message_stop')
  response.end()
}

async function serve(request: IncomingMessage, response: ServerResponse, apiKey: string) {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  if (request.method !== 'POST' || pathname !== '/v1/messages') {
    return refuse(response, 404, 'not_found_error', 'Only POST /v1/messages is here')
  }
  if (request.headers['x-api-key'] !== apiKey) {
    return refuse(response, 401, 'authentication_error', 'This is not the key of the sample')
  }
  const body = await readBody(request)
  if (body.stream) return stream(response, body.model)
  const usage = { ...inputUsage, output_tokens: outputTokens }
  const content = [{ type: 'text', text: answer }]
  sendJson(response, 200, { ...messageOf(body.model), content, stop_reason: 'end_turn', usage })
}

/** Starts it on a free port, with a key made for this run. */
export async function startSampleUpstream(): Promise<SampleUpstream> {
  const apiKey = `sk-ant-sample-${randomBytes(12).toString('hex')}`
  const server = createServer((request, response) => {
    serve(request, response, apiKey).catch(() => {
      if (response.headersSent) response.destroy()
      else refuse(response, 400, 'invalid_request_error', 'The body is not JSON')
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    apiKey,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
