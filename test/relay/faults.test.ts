/** Faults at the edges of a request: each must cost nobody else, and be charged as what it was. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readFixture } from '../support/fixtures.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import {
  anthropicJson,
  anthropicStream,
  bytes,
  hang,
  json,
  sse,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

/** Of every kind, and shorter than a setting could be. */
const timeoutSeconds = 0.5

const upstreamTimeouts = (seconds: number) => ({
  UPSTREAM_JSON_TIMEOUT_SECONDS: seconds,
  UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: seconds,
  UPSTREAM_IDLE_TIMEOUT_SECONDS: seconds,
})
/** No test waits for these. */
const patient = upstreamTimeouts(60)

let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let id: string
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway()
  Object.assign(gateway.runtime.config, upstreamTimeouts(timeoutSeconds))
  admin = createTestAdmin(gateway)
  for (const name of ['a', 'b', 'c']) {
    await admin.createAccount({ apiUrl: upstream.url, name, apiKey: `sk-ant-${name}` })
  }
  ;({ id, key } = await admin.createKey())
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = async (fields: object = {}, signal?: AbortSignal) =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-sonnet-4-6', messages: [], ...fields }),
    ...(signal && { signal }),
  })
const total = async () => {
  await gateway.deferred()
  return (await admin.call('GET', `/keys/${id}/stats`)).json.total
}
const healthOfAll = async () => {
  const { json: page } = await admin.call('GET', '/accounts/claude-console')
  return page.data.map((account: { health: { status: string } }) => account.health.status)
}

describe('a member', () => {
  it('cannot make accounts cool by words that the vendor quotes back', async () => {
    const model = 'insufficient_quota'
    const error = { type: 'not_found_error', message: `model: ${model}` }
    upstream.respond(json(404, { type: 'error', error }))
    expect((await send({ model })).status).toBe(404)
    expect(await healthOfAll()).toEqual(['healthy', 'healthy', 'healthy'])
  })

  it('who reads slowly is not taken for an upstream that fell silent', async () => {
    upstream.respond(anthropicStream({ deltas: ['one', 'two', 'three'] }))
    const response = await send({ stream: true })
    const reader = response.body?.getReader()
    await reader?.read()
    await new Promise((resolve) => setTimeout(resolve, 1_500 * timeoutSeconds))
    let text = ''
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
      if (done) break
      text += new TextDecoder().decode(value)
    }
    expect(text).toContain('message_stop')
    expect(await healthOfAll()).toEqual(['healthy', 'healthy', 'healthy'])
    expect(await total()).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })

  it('who leaves before anything was sent pays nothing', async () => {
    const leave = new AbortController()
    leave.abort()
    expect((await send({}, leave.signal)).status).toBe(499)
    expect(upstream.requests).toHaveLength(0)
    expect(await total()).toMatchObject({ requests: 0 })
  })

  it('who leaves an image behind is not charged by its bytes', async () => {
    Object.assign(gateway.runtime.config, patient)
    upstream.respond(hang())
    const leave = new AbortController()
    const asked = send({ messages: ['x'.repeat(4_000_000)] }, leave.signal)
    await expect.poll(() => upstream.requests.length).toBe(1)
    leave.abort()
    expect((await asked).status).toBe(499)
    expect(await total()).toMatchObject({ requests: 1, inputTokens: 200_000, estimatedRequests: 1 })
  })
})

describe('an upstream', () => {
  it('that takes too long over a JSON answer is left for another, while there is time', async () => {
    upstream.respond(hang(), anthropicJson())
    expect((await send()).status).toBe(200)
    expect(await total()).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })

  it('that is still at a JSON answer at the deadline is charged, and the caller told not to repeat', async () => {
    Object.assign(gateway.runtime.config, patient, { REQUEST_DEADLINE_SECONDS: 1 })
    upstream.respond(hang())
    const response = await send()
    expect(response.status).toBe(504)
    expect(response.headers.get('x-should-retry')).toBe('false')
    expect(upstream.requests).toHaveLength(1)
    expect(await total()).toMatchObject({ requests: 1, estimatedRequests: 1 })
  })

  it('that is silent at the deadline of a stream is the last one asked', async () => {
    Object.assign(gateway.runtime.config, patient, { REQUEST_DEADLINE_SECONDS: 1 })
    upstream.respond(hang())
    expect((await send({ stream: true })).status).toBe(504)
    expect(upstream.requests).toHaveLength(1)
    expect(await total()).toMatchObject({ requests: 0 })
  })

  it('whose stream refuses the request itself is shown as it is, and is neither left nor paid', async () => {
    const error = { type: 'invalid_request_error', message: 'prompt is too long' }
    const body = `event: error\ndata: ${JSON.stringify({ type: 'error', error })}\n\n`
    upstream.respond(sse(body))
    expect(await (await send({ stream: true })).text()).toBe(body)
    expect(upstream.requests).toHaveLength(1)
    expect(await healthOfAll()).toEqual(['healthy', 'healthy', 'healthy'])
    expect(await total()).toMatchObject({ requests: 0 })
  })

  it('that ends its message but not its connection has served it', async () => {
    upstream.respond(async (exchange) => {
      // Everything but the end of the response.
      exchange.response.end = () => exchange.response
      await anthropicStream()(exchange)
    })
    const response = await send({ stream: true })
    expect(await response.text()).toMatch(/message_stop"}\s*$/)
    expect(await healthOfAll()).toEqual(['healthy', 'healthy', 'healthy'])
    expect(await total()).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })

  it('that goes on after its message has ended is cut off after a second', async () => {
    upstream.respond(async (exchange) => {
      const { response, over } = exchange
      response.end = () => response
      await anthropicStream()(exchange)
      const timer = setInterval(() => response.write(': still here\n\n'), 200)
      over.addEventListener('abort', () => clearInterval(timer))
    })
    expect(await (await send({ stream: true })).text()).toContain('message_stop')
    expect(await healthOfAll()).toEqual(['healthy', 'healthy', 'healthy'])
    expect(await total()).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })

  it('that ends after its stop reason has served it, without the final marker', async () => {
    const body = readFixture('cases/F04-no-message_stop.sse')
    upstream.respond(sse(body))
    expect(await (await send({ stream: true })).text()).toBe(body)
    expect(await healthOfAll()).toEqual(['healthy', 'healthy', 'healthy'])
    const charged = { requests: 1, estimatedRequests: 0, inputTokens: 10, outputTokens: 5 }
    expect(await total()).toMatchObject(charged)
  })

  it('that sends nothing but comments has time until the deadline', async () => {
    Object.assign(gateway.runtime.config, { REQUEST_DEADLINE_SECONDS: 3 * timeoutSeconds })
    upstream.respond(({ response, over }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const timer = setInterval(() => response.write(': still here\n\n'), 200)
      over.addEventListener('abort', () => clearInterval(timer))
    })
    expect((await send({ stream: true })).status).toBe(504)
    expect(upstream.requests).toHaveLength(1)
  })

  it('that reports counts beyond all sense is estimated instead', async () => {
    const usage = { input_tokens: 1e17, output_tokens: -5 }
    upstream.respond(json(200, { type: 'message', content: 'x'.repeat(38), usage }))
    expect((await send()).status).toBe(200)
    const charged = await total()
    expect(charged).toMatchObject({ requests: 1, estimatedRequests: 1, outputTokens: 10 })
    expect(charged.inputTokens).toBeLessThan(100)
  })

  it.each([
    ['an error without a type', { error: { message: 'no' } }, 'overloaded'],
    ['a refusal of the account', { error: { code: 'insufficient_quota' } }, 'account_refused'],
    ['an empty object', {}, 'bad_answer'],
  ])('whose 200 holds %s has failed', async (_, body, reason) => {
    upstream.respond(json(200, body), anthropicJson())
    expect((await send()).status).toBe(200)
    expect(gateway.logged('attempt_failed')).toMatchObject([{ reason }])
  })

  it('whose refusal is too long to hold is refused in the gateway’s words', async () => {
    const body = Buffer.from(JSON.stringify({ error: 'x'.repeat(1_100_000) }))
    upstream.respond(bytes(400, { 'content-type': 'application/json' }, body))
    const response = await send()
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } })
    expect(await healthOfAll()).toEqual(['healthy', 'healthy', 'healthy'])
  })
})

describe('when every account is rate limited', () => {
  it('the request that found out and those after it hear so, with the soonest end', async () => {
    upstream.respond(json(429, {}, { 'retry-after': '30' }))
    for (const _ of [1, 2]) {
      await gateway.deferred()
      const response = await send()
      expect(response.status).toBe(429)
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(25)
      expect(await response.json()).toMatchObject({ error: { type: 'rate_limit_error' } })
    }
    expect(upstream.requests).toHaveLength(3)
  })
})
