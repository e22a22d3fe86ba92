/** Compressed bodies of requests: what they hold is relayed, within the same bounds as any other body. */
import zlib from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readFixture } from '../../support/fixtures.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../../support/gateway.ts'
import { responsesStream } from '../../support/openai.ts'
import { startUpstream, type Upstream } from '../../support/upstream.ts'

const megabyte = 1024 * 1024
let upstream: Upstream
let test: TestGateway
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  test = createTestGateway({
    config: { BODY_LIMIT_BYTES: String(2 * megabyte), BODY_MEMORY_BYTES: String(8 * megabyte) },
  })
  const admin = createTestAdmin(test)
  await admin.createAccount({ apiUrl: `${upstream.url}/v1`, apiKey: 'sk-a' }, 'codex')
  ;({ key } = await admin.createKey())
  upstream.respond(responsesStream())
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

const packers: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: zlib.gzipSync,
  deflate: zlib.deflateSync,
  br: zlib.brotliCompressSync,
  zstd: zlib.zstdCompressSync,
}
const codings = Object.keys(packers)
const pack = (coding: string, text: string) =>
  packers[coding]?.(Buffer.from(text)) ?? Buffer.from(text)
const bodyOf = (fields: object = {}) =>
  JSON.stringify({ model: 'gpt-5', stream: true, input: 'hi', ...fields })
const send = async (coding: string, body: Buffer, headers: Record<string, string> = {}) => {
  const response = await test.app.request('/openai/v1/responses', {
    method: 'POST',
    headers: {
      ...headers,
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'content-encoding': coding,
    },
    body: new Uint8Array(body),
  })
  const text = await response.text()
  await test.deferred()
  return { status: response.status, text }
}

it('of Codex with a ChatGPT login reaches the account as it was before', async () => {
  const { request } = JSON.parse(readFixture('codex-0.169.0-chatgpt-auth-zstd.json'))
  const { 'content-length': _, ...headers } = request.headers
  const body = JSON.stringify(request.body)
  expect(headers['content-encoding']).toBe('zstd')
  expect((await send('zstd', pack('zstd', body), headers)).status).toBe(200)
  expect(upstream.requests[0]?.body.toString()).toBe(body)
  expect(upstream.requests[0]?.headers).not.toHaveProperty('content-encoding')
  expect(upstream.requests[0]?.headers['content-length']).toBe(String(Buffer.byteLength(body)))
})

describe.each(codings)('a body in %s', (coding) => {
  it('is read whole, however long it is', async () => {
    const body = bodyOf({ input: 'é'.repeat(0.9 * megabyte) })
    expect((await send(coding, pack(coding, body))).status).toBe(200)
    expect(upstream.requests[0]?.body.toString()).toBe(body)
  })

  const whole = pack(coding, bodyOf())
  it.each([
    ['is cut off', whole.subarray(0, -3)],
    ['is empty', whole.subarray(0, 0)],
    ['is joined to another', Buffer.concat([whole, pack(coding, ' ')])],
    ['is followed by something', Buffer.concat([whole, Buffer.from('{}')])],
    ['is not compressed', Buffer.from(bodyOf())],
  ])('that %s is refused with 400', async (_, bytes) => {
    const { status, text } = await send(coding, bytes)
    expect(status).toBe(400)
    expect(JSON.parse(text).error.message).toBe(
      `The request body is not one whole ${coding} stream`,
    )
    expect(upstream.requests).toHaveLength(0)
  })

  it('that holds more than a body may is refused with 413, before all of it is in memory', async () => {
    const bomb = pack(coding, bodyOf({ input: 'x'.repeat(64 * megabyte) }))
    expect(bomb.length).toBeLessThan(0.2 * megabyte)
    expect((await send(coding, bomb)).status).toBe(413)
    expect((await send(coding, whole)).status).toBe(200)
  })

  it('frees its memory when it has been served', async () => {
    const body = pack(coding, bodyOf({ input: 'x'.repeat(1.9 * megabyte) }))
    for (let i = 0; i < 6; i++) expect((await send(coding, body)).status).toBe(200)
  })
})

it('counts what is held of a compressed body and of what it holds', async () => {
  const taken: number[] = []
  const { bodyMemory } = test.gateway
  const keep = bodyMemory.keep.bind(bodyMemory)
  bodyMemory.keep = async (bytes, signal) => {
    taken.push(bytes)
    const kept = await keep(bytes, signal)
    return (
      kept && {
        ...kept,
        grow(more) {
          taken.push(more)
          return kept.grow(more)
        },
        shrink(fewer) {
          taken.push(fewer)
          kept.shrink(fewer)
        },
      }
    )
  }
  const text = bodyOf({ input: 'x'.repeat(1.5 * megabyte) })
  const body = pack('gzip', text)
  const length = { 'content-length': String(body.length) }
  expect((await send('gzip', body, length)).status).toBe(200)
  expect(taken[0]).toBe(body.length)
  expect(Math.max(...taken)).toBe(body.length + 2 * megabyte)
  expect(taken.at(-1)).toBe(text.length)
})

it.each(['compress', 'gzip, br', 'zstd, zstd'])(
  'in %s is refused with 415, and told what is read',
  async (coding) => {
    const { status, text } = await send(coding, Buffer.from(bodyOf()))
    expect(status).toBe(415)
    expect(JSON.parse(text).error.message).toMatch(/it reads gzip, deflate, br, zstd, identity$/)
  },
)
