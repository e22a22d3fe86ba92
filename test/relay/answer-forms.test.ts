/** An answer is judged by what it is, and given in the form that the client asked for. */
import { createParser } from 'eventsource-parser'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readAnswer, readFixture } from '../support/fixtures.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import {
  anthropicJson,
  type Behaviour,
  json,
  sse,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let id: string
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway()
  admin = createTestAdmin(gateway)
  for (const name of ['a', 'b']) {
    await admin.createAccount({ apiUrl: upstream.url, name, apiKey: `sk-ant-${name}` })
  }
  ;({ id, key } = await admin.createKey())
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = (fields: object = {}) =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-sonnet-4-6', messages: [], ...fields }),
  })
const contentOf = async (response: Response) => JSON.parse(await response.text()).content
const total = async () => {
  await gateway.deferred()
  return (await admin.call('GET', `/keys/${id}/stats`)).json.total
}
const coolingAccounts = async () => {
  const { json: page } = await admin.call('GET', '/accounts/claude-console')
  const statuses = page.data.map(({ health }: { health: { status: string } }) => health.status)
  return statuses.filter((status: string) => status !== 'healthy').length
}
/** Sends the body in parts of so many bytes, under this label or none. */
const labelled =
  (type: string | undefined, body: string, partBytes = body.length): Behaviour =>
  async ({ response }) => {
    response.writeHead(200, type === undefined ? {} : { 'content-type': type })
    const bytes = Buffer.from(body)
    for (let from = 0; from < bytes.length; from += partBytes) {
      response.write(bytes.subarray(from, from + partBytes))
      await new Promise((resolve) => setImmediate(resolve))
    }
    response.end()
  }
const event = (fields: object) => `data: ${JSON.stringify(fields)}\n\n`
const start = event({
  type: 'message_start',
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-6',
    content: [],
    stop_reason: null,
    usage: { input_tokens: 10, output_tokens: 1 },
  },
})
const block = (index: number, content_block: object, ...deltas: object[]) =>
  [
    event({ type: 'content_block_start', index, content_block }),
    ...deltas.map((delta) => event({ type: 'content_block_delta', index, delta })),
    event({ type: 'content_block_stop', index }),
  ].join('')
const stop =
  event({
    type: 'message_delta',
    delta: { stop_reason: 'tool_use' },
    usage: { output_tokens: 5 },
  }) + event({ type: 'message_stop' })

describe('a client that asked for a stream', () => {
  const { body } = readAnswer('F05-sse-as-json-type.http')

  it.each(['application/json', 'text/plain', 'text/html', undefined])(
    'gets the stream that came under the label %s, metered',
    async (label) => {
      for (const partBytes of [1, body.length]) {
        upstream.respond(labelled(label, `\n${body}`, partBytes))
        const response = await send({ stream: true })
        expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
        expect(await response.text()).toBe(`\n${body}`)
      }
      expect(upstream.requests).toHaveLength(2)
      const counts = { inputTokens: 20, outputTokens: 10, estimatedRequests: 0 }
      expect(await total()).toMatchObject(counts)
    },
  )

  it.each(['text/event-stream', 'application/json'])(
    'gets a message that came under the label %s as events',
    async (label) => {
      const message = readFixture('cases/F03-compaction.json')
      upstream.respond(labelled(label, `\r\n ${message}`))
      const response = await send({ stream: true })
      expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
      const names: string[] = []
      const parser = createParser({ onEvent: ({ event: name = '' }) => names.push(name) })
      parser.feed(await response.text())
      expect(names).toEqual([
        'message_start',
        'content_block_start',
        'content_block_delta',
        'content_block_stop',
        'message_delta',
        'message_stop',
      ])
      expect(await total()).toMatchObject({ outputTokens: 4_500, estimatedRequests: 0 })
    },
  )
})

describe('a client that asked for JSON', () => {
  it.each(['text/event-stream', 'application/json'])(
    'gets the message that a stream under the label %s tells',
    async (label) => {
      const { body } = readAnswer('F06-sse-for-stream-false.http')
      upstream.respond(labelled(label, body))
      const response = await send()
      expect(response.headers.get('content-type')).toBe('application/json')
      expect(await response.json()).toEqual({
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'claude-sonnet-4-5',
        content: [{ type: 'text', text: 'hello' }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage: { input_tokens: 10, output_tokens: 5 },
      })
      const counts = { requests: 1, inputTokens: 10, outputTokens: 5, estimatedRequests: 0 }
      expect(await total()).toMatchObject(counts)
    },
  )

  it('gets the input of a tool as it was streamed, to the character', async () => {
    const pieces = ['{"n": 123456789012345', '67890.10 , "a":1,"a"', ':2}']
    const deltas = pieces.map((partial_json) => ({ type: 'input_json_delta', partial_json }))
    const tool = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} }
    upstream.respond(sse(start + block(0, tool, ...deltas) + block(1, tool) + stop))
    const text = await (await send()).text()
    expect(text).toContain(`"input":${pieces.join('')}}`)
    expect(text).toContain('"name":"f","input":{}}')
    expect(JSON.parse(text)).toMatchObject({ stop_reason: 'tool_use' })
  })

  it('gets thinking with its signature, and citations', async () => {
    const thinking = [
      { type: 'thinking_delta', thinking: 'so ' },
      { type: 'thinking_delta', thinking: 'be it' },
      { type: 'signature_delta', signature: 'sig' },
    ]
    const cited = [
      { type: 'text_delta', text: 'yes' },
      { type: 'citations_delta', citation: { cited_text: 'x' } },
    ]
    const blocks =
      block(0, { type: 'thinking', thinking: '', signature: '' }, ...thinking) +
      block(1, { type: 'text', text: '', citations: [] }, ...cited)
    upstream.respond(sse(start + blocks + stop))
    expect(await contentOf(await send())).toEqual([
      { type: 'thinking', thinking: 'so be it', signature: 'sig' },
      { type: 'text', text: 'yes', citations: [{ cited_text: 'x' }] },
    ])
  })

  it('gets the input of a tool that was cut off by max_tokens in the vendor’s form', async () => {
    const cut = { type: 'input_json_delta', partial_json: '{"a": "b' }
    upstream.respond(sse(start + block(0, { type: 'tool_use', input: {} }, cut) + stop))
    const content = await contentOf(await send())
    expect(content[0].input).toEqual({ INVALID_JSON: '{"a": "b' })
  })

  const unknown = sse(start + block(0, { type: 'later' }, { type: 'later_delta', x: 1 }) + stop)

  it('is served by another account when a delta is of an unknown kind', async () => {
    upstream.respond(unknown, anthropicJson())
    expect((await send()).status).toBe(200)
    expect(upstream.requests).toHaveLength(2)
    expect(await coolingAccounts()).toBe(0)
  })

  it('hears of a bad gateway when all accounts stream an unknown kind', async () => {
    upstream.respond(unknown)
    const response = await send()
    expect(response.status).toBe(502)
    expect(await response.json()).toMatchObject({ error: { type: 'api_error' } })
    expect(await total()).toMatchObject({ requests: 0 })
  })

  it('is served by another account when the stream breaks off', async () => {
    upstream.respond(sse(start + block(0, { type: 'text', text: 'x' })), anthropicJson())
    expect((await send()).status).toBe(200)
    expect(upstream.requests).toHaveLength(2)
  })

  it('gets the refusal of the request that came as an event', async () => {
    const error = { type: 'invalid_request_error', message: 'prompt is too long' }
    upstream.respond(sse(event({ type: 'error', error })))
    const response = await send()
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ type: 'error', error })
    expect(upstream.requests).toHaveLength(1)
  })
})

it('the input of a tool is streamed as the message has it, to the character', async () => {
  const input = '{"n": 12345678901234567890.10 , "a":1}'
  const body = `{"type":"message","content":[{"type":"tool_use","input":${input}}],"usage":{}}`
  upstream.respond(labelled('application/json', body))
  const deltas: string[] = []
  const parser = createParser({
    onEvent: ({ data }) => deltas.push(JSON.parse(data).delta?.partial_json ?? ''),
  })
  parser.feed(await (await send({ stream: true })).text())
  expect(deltas.join('')).toBe(input)
})

it('a message that is no answer is one under no label either', async () => {
  upstream.respond(json(200, { type: 'later' }, { 'content-type': 'text/event-stream' }))
  expect((await send({ stream: true })).status).toBe(502)
})
