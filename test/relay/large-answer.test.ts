/** Answers of a size that no vendor sends: they cost other requests no wait. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { anthropic } from '../../src/dialects/anthropic/messages.ts'
import { maxParsedBytes, readLargeAnswer } from '../../src/relay/attempt/large-answer.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { bytes, sse, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let id: string
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway({ config: { SOLE_ACCOUNT_RETRY_SECONDS: '0' } })
  admin = createTestAdmin(gateway)
  await admin.createAccount({ apiUrl: upstream.url })
  ;({ id, key } = await admin.createKey())
})
afterEach(async () => {
  vi.restoreAllMocks()
  await gateway.close()
  await upstream.close()
})

const send = (stream = false) =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-haiku-4-5', stream, messages: [] }),
  })
const total = async () => {
  await gateway.deferred()
  return (await admin.call('GET', `/keys/${id}/stats`)).json.total
}
const objects = `[${'{},'.repeat(maxParsedBytes)}{}]`
const json = (status: number, text: string) =>
  bytes(status, { 'content-type': 'application/json' }, Buffer.from(text))

/** The longest text that is parsed while `work` runs. */
async function longestParsed(work: () => Promise<unknown>): Promise<number> {
  const parse = vi.spyOn(JSON, 'parse')
  await work()
  const lengths = parse.mock.calls.map(([text]) => String(text).length)
  parse.mockRestore()
  return Math.max(0, ...lengths)
}

it('an answer is given as it came, and charged by its usage, without being parsed', async () => {
  const usage = '{"input_tokens":7,"output_tokens":9}'
  const text = `{"type":"message","content":${objects},"usage":${usage}}`
  upstream.respond(json(200, text))
  let answered = ''
  const longest = await longestParsed(async () => {
    answered = await (await send()).text()
  })
  expect(answered === text).toBe(true)
  expect(longest).toBeLessThan(maxParsedBytes)
  expect(await total()).toMatchObject({ inputTokens: 7, outputTokens: 9, estimatedRequests: 0 })
})

it('one without usage is estimated by its length', async () => {
  upstream.respond(json(200, `{"type":"message","content":${objects}}`))
  expect((await send()).status).toBe(200)
  expect(await total()).toMatchObject({ outputTokens: 200_000, estimatedRequests: 1 })
})

it.each([
  ['no message', `{"type":"else","content":${objects}}`],
  ['no object', objects],
  ['no JSON', `{"type":"message","content":${objects}`],
])('what is %s is a failure of the account', async (_, text) => {
  upstream.respond(json(200, text))
  const longest = await longestParsed(async () => {
    expect((await send()).status).toBe(502)
  })
  expect(longest).toBeLessThan(maxParsedBytes)
})

it('is scanned in stretches of at most 128 KiB', async () => {
  let pauses = 0
  const body = new TextEncoder().encode(`{"content":${objects}}`)
  const pause = async () => void pauses++
  expect(await readLargeAnswer(body, pause)).toEqual({
    members: {},
    unreadBytes: body.length - '{"content":}'.length,
  })
  expect(pauses).toBeGreaterThan(body.length / (128 * 1024) - 2)
})

it('an event of a stream that is larger than any usage is passed on, and not parsed', async () => {
  const start = `event: content_block_start\ndata: {"type":"content_block_start","content_block":${objects}}\n\n`
  const end = 'event: message_stop\ndata: {"type":"message_stop"}\n\n'
  upstream.respond(sse(start + end))
  let answered = ''
  const longest = await longestParsed(async () => {
    answered = await (await send(true)).text()
  })
  expect(answered === start + end).toBe(true)
  expect(longest).toBeLessThan(maxParsedBytes)
  expect(await total()).toMatchObject({ outputTokens: 200_000, estimatedRequests: 1 })
})

it('an event without a line that names it counts as what it holds, and begins nothing', () => {
  const reader = anthropic.createUsageReader(400)
  const data = `{"type":"message_start","message":${objects}}`
  expect(reader.event({ event: undefined, id: undefined, data })).toBe('preamble')
})
