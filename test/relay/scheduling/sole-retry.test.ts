/** A pool of one account is never worse than calling the vendor directly: it is asked again, soon and with a brake. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin } from '../../support/gateway.ts'
import { createVirtualGateway, type VirtualGateway } from '../../support/virtual-gateway.ts'
import type { VirtualTime } from '../../support/virtual-time.ts'
import {
  after,
  answer,
  broken,
  createVirtualUpstream,
  message,
  silence,
  stream,
  type VirtualBehaviour,
  type VirtualUpstream,
} from '../../support/virtual-upstream.ts'

let upstream: VirtualUpstream
let gateway: VirtualGateway
let time: VirtualTime
let admin: ReturnType<typeof createTestAdmin>
let key: string
let keyId: string

beforeEach(async () => {
  upstream = createVirtualUpstream(() => time)
  gateway = createVirtualGateway({ startMs: Date.UTC(2026, 2, 2), fetch: upstream.fetch })
  time = gateway.time
  admin = createTestAdmin(gateway)
  await admin.createAccount({ maxConcurrency: 10, rateLimitDuration: 60 })
  ;({ key, id: keyId } = await admin.createKey())
})
afterEach(() => gateway.close())

const request = async (fields: object = {}) => {
  const response = await gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-sonnet-4-6', messages: [], ...fields }),
  })
  return { status: response.status, headers: response.headers, text: await response.text() }
}
/** Sends so many requests together; resolves to their answers and the time until all were answered. */
const send = async (count = 1, fields: object = {}) => {
  const startedMs = time.monotonicMs()
  const answers = await time.run(() =>
    Promise.all(Array.from({ length: count }, () => request(fields))),
  )
  await gateway.deferred()
  const [first] = answers
  return {
    ...first,
    statuses: answers.map(({ status }) => status),
    tookMs: time.monotonicMs() - startedMs,
  }
}
const attempts = () => upstream.requests.length
const failures = () => gateway.logged('attempt_failed').length

const events =
  (text: string, end?: 'cut'): VirtualBehaviour =>
  async () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        if (text) controller.enqueue(new TextEncoder().encode(text))
        if (!end) controller.close()
      },
      pull: (controller) => controller.error(new TypeError('terminated')),
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
const began =
  'event: message_start\ndata: {"type":"message_start","message":{"role":"assistant","usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
const overloadedEvent =
  'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
const error = (type: string) => ({ type: 'error', error: { type, message: 'no' } })
const page =
  (status: number): VirtualBehaviour =>
  async () =>
    new Response('<html></html>', { status, headers: { 'content-type': 'text/html' } })

const faults: [name: string, fault: VirtualBehaviour, isStream: boolean][] = [
  ['a 529', answer(529, error('overloaded_error')), true],
  ['a 529', answer(529, error('overloaded_error')), false],
  ['a 500', answer(500, error('api_error')), true],
  ['an HTML 502', page(502), false],
  ['a reset', broken(), true],
  ['a reset', broken(), false],
  ['an empty stream', events(''), true],
  ['an error before content', events(began + overloadedEvent), true],
  ['a cut before content', events(began, 'cut'), true],
  ['an end before content', events(began), true],
  ['an empty body', async () => new Response('', { status: 200 }), false],
]

describe('the only account', () => {
  it.each(faults)(
    'is asked again after %s, within less than a second',
    async (_, fault, isStream) => {
      upstream.respond(fault, isStream ? stream(0, 0, 0) : message())
      const { status, text, tookMs } = await send(1, { stream: isStream })
      expect(status).toBe(200)
      expect(text).toContain(isStream ? 'message_stop' : '"type":"message"')
      expect(text).not.toContain('error')
      expect(attempts()).toBe(2)
      expect(tookMs).toBeLessThan(1_000)
      const { total } = (await admin.call('GET', `/keys/${keyId}/stats`)).json
      expect(total).toMatchObject({ requests: 1, inputTokens: 1 })
    },
  )

  it('that fails four times serves the request all the same', async () => {
    upstream.respond(...[1, 2, 3, 4].map(() => answer(500)), message())
    expect(await send()).toMatchObject({ status: 200 })
    expect(attempts()).toBe(5)
  })

  it('is asked six more times at most, ever less often, and the caller then told the truth', async () => {
    upstream.respond(answer(500, error('api_error')))
    const { status, headers, text, tookMs } = await send()
    expect([status, JSON.parse(text ?? '').error.type]).toEqual([503, 'api_error'])
    expect(headers?.get('retry-after')).toBe('5')
    expect(headers?.get('x-should-retry')).toBeNull()
    expect(attempts()).toBe(7)
    expect(tookMs).toBeGreaterThanOrEqual(17_500)
    expect(tookMs).toBeLessThanOrEqual(30_000)
    upstream.respond(message())
    expect(await send()).toMatchObject({ status: 200 })
  })

  it('is asked no longer than SOLE_ACCOUNT_RETRY_SECONDS, and not again where that is 0', async () => {
    upstream.respond(broken())
    Object.assign(gateway.runtime.config, { SOLE_ACCOUNT_RETRY_SECONDS: 2 })
    expect(await send()).toMatchObject({ status: 503 })
    expect(attempts()).toBe(3)
    await time.pass(60_000)
    Object.assign(gateway.runtime.config, { SOLE_ACCOUNT_RETRY_SECONDS: 0 })
    expect(await send()).toMatchObject({ status: 503, tookMs: 0 })
    expect(attempts()).toBe(4)
  })

  it('is asked by one of those that it failed together, and serves the others after that one', async () => {
    upstream.respond(
      ...Array.from({ length: 5 }, () => after(50, answer(529))),
      after(300, message()),
    )
    const { statuses, tookMs } = await send(5)
    expect(statuses).toEqual([200, 200, 200, 200, 200])
    expect(attempts()).toBe(10)
    expect(tookMs).toBeLessThan(3_000)
  })

  it('that stays down is asked by one at a time, however many wait', async () => {
    upstream.respond(
      ...Array.from({ length: 20 }, () => after(50, answer(500))),
      after(50, answer(500)),
    )
    const { statuses } = await send(20)
    expect(statuses.every((status) => status === 503)).toBe(true)
    // The first wave, and one request for each cooldown of 0.5, 1, 2, 4, 5, 5 … s in 30 s.
    expect(attempts()).toBeLessThanOrEqual(20 + 10)
    expect(gateway.logged('account_cooling')).toHaveLength(1)
  })

  it('is not asked again after an answer that is a refusal of its credential', async () => {
    upstream.respond(answer(401, error('authentication_error')))
    const { status, headers, text, tookMs } = await send()
    expect([status, tookMs, attempts()]).toEqual([503, 0, 1])
    expect(headers?.get('x-should-retry')).toBe('false')
    expect(text).toContain('administrator has to renew')
    expect(text).not.toMatch(/busy|recovering/)
    expect(await send()).toMatchObject({
      status: 503,
      text: expect.stringContaining('administrator'),
    })
    expect(attempts()).toBe(1)
  })

  it('is not asked again by a JSON request that has run for longer than 30 s, nor after a time-out', async () => {
    upstream.respond(after(31_000, answer(500)))
    expect(await send()).toMatchObject({ status: 503, tookMs: 31_000 })
    await time.pass(60_000)
    upstream.respond(silence())
    expect(await send(1, { stream: true })).toMatchObject({ status: 200 })
    expect(attempts()).toBe(2)
  })

  it('is not asked again for a page that comes from a wrong address', async () => {
    upstream.respond(page(404))
    expect(await send()).toMatchObject({ status: 502, tookMs: 0 })
    expect(attempts()).toBe(1)
  })

  it('is asked again only until the deadline of the request', async () => {
    Object.assign(gateway.runtime.config, { REQUEST_DEADLINE_SECONDS: 3 })
    upstream.respond(answer(500))
    const { status, tookMs } = await send()
    expect(status).toBe(503)
    expect(tookMs).toBeLessThanOrEqual(3_000)
  })

  it('is left alone once its client has gone', async () => {
    upstream.respond(answer(500))
    const gone = new AbortController()
    time.setTimer(() => gone.abort(), 700)
    await time.run(async () =>
      gateway.app.request('/v1/messages', {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: '{"model":"claude-sonnet-4-6","messages":[]}',
        signal: gone.signal,
      }),
    )
    await time.pass(60_000)
    expect(attempts()).toBe(2)
  })
})

describe('a 429 of the only account', () => {
  it('that names no end reaches the client at once, with a wait of a second', async () => {
    upstream.respond(answer(429, error('rate_limit_error')), message())
    const { status, headers, text, tookMs } = await send()
    expect([status, tookMs, JSON.parse(text ?? '').error.type]).toEqual([
      429,
      0,
      'rate_limit_error',
    ])
    expect(headers?.get('retry-after')).toBe('1')
    expect(headers?.get('x-should-retry')).toBeNull()
    await time.pass(1_000)
    expect(await send()).toMatchObject({ status: 200, tookMs: 0 })
  })

  it('that repeats makes the wait grow to seconds, and no further', async () => {
    upstream.respond(answer(429, error('rate_limit_error')))
    const waits: (string | null | undefined)[] = []
    for (let i = 0; i < 7; i++) {
      const { headers } = await send()
      waits.push(headers?.get('retry-after'))
      await time.pass(20_000)
    }
    expect(waits).toEqual(['1', '1', '2', '4', '8', '15', '15'])
  })
})

describe('several accounts', () => {
  beforeEach(async () => {
    await admin.createAccount({ apiKey: 'sk-ant-second', priority: 1 })
  })

  it('that fail once each are asked again when no other is left', async () => {
    upstream.behave('sk-ant-second', broken(), message())
    upstream.behave('sk-ant-test', answer(500), message())
    const { status, tookMs } = await send()
    expect(status).toBe(200)
    expect(upstream.requests.slice(0, 2)).toEqual(['sk-ant-second', 'sk-ant-test'])
    expect(attempts()).toBe(3)
    expect(tookMs).toBeLessThan(1_000)
  })

  it('of which one is limited for long leave the other as the only one', async () => {
    upstream.behave('sk-ant-second', async () =>
      Response.json(error('rate_limit_error'), { status: 429, headers: { 'retry-after': '3600' } }),
    )
    upstream.behave('sk-ant-test', message(), answer(529), message())
    expect(await send()).toMatchObject({ status: 200 })
    const { status, tookMs } = await send()
    expect(status).toBe(200)
    expect(tookMs).toBeLessThan(1_000)
    expect(failures()).toBe(2)
  })

  it('are not asked again while one is free that was not asked', async () => {
    upstream.behave('sk-ant-second', answer(500))
    expect(await send()).toMatchObject({ status: 200, tookMs: 0 })
    expect(upstream.requests).toEqual(['sk-ant-second', 'sk-ant-test'])
  })
})
