/** The contract of waiting: a request for which nobody is free stays a little, and never in vain. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../../support/gateway.ts'
import {
  after,
  anthropicJson,
  json,
  reset,
  startUpstream,
  type Upstream,
} from '../../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let key: string
let account: Record<string, unknown>

beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway()
  const admin = createTestAdmin(gateway)
  account = await admin.createAccount({ apiUrl: upstream.url, maxConcurrency: 1 })
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = (signal?: AbortSignal) =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: '{"model":"claude-haiku-4-5","messages":[]}',
    ...(signal && { signal }),
  })
const rest = async (ms: number, reason = 'connect_failed') => {
  const { keyspace, runtime } = gateway.gateway
  const packed = `${Date.now() + ms}|1|${Date.now() - 1_000}|${reason}`
  await runtime.redis.hset(keyspace.health('claude-console'), { [String(account.id)]: packed })
}

describe('a request for which nobody is free', () => {
  it('waits for the end of a rest that is near', async () => {
    await rest(300)
    const startedMs = Date.now()
    expect((await send()).status).toBe(200)
    expect(Date.now() - startedMs).toBeGreaterThanOrEqual(299)
  })

  it('waits for a place, in any number, and all are served', async () => {
    upstream.respond(after(20, anthropicJson()))
    const responses = await Promise.all(Array.from({ length: 6 }, () => send()))
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200])
    await gateway.deferred()
    expect(upstream.requests).toHaveLength(6)
  })

  it('waits while another tries the account, and goes on as soon as that is answered', async () => {
    await rest(-1)
    upstream.respond(after(400, anthropicJson()), anthropicJson())
    const startedMs = Date.now()
    const responses = await Promise.all([send(), send(), send()])
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(Date.now() - startedMs).toBeLessThan(5_000)
  })

  it('is refused at once when nobody will be free in time', async () => {
    await rest(60_000)
    const startedMs = Date.now()
    const response = await send()
    expect(response.status).toBe(529)
    expect(response.headers.get('retry-after')).toBe('60')
    expect(Date.now() - startedMs).toBeLessThan(250)
  })

  it('is refused at once where waiting is switched off', async () => {
    Object.assign(gateway.runtime.config, { ACCOUNT_WAIT_SECONDS: 0 })
    await rest(200)
    expect((await send()).status).toBe(529)
    expect(upstream.requests).toHaveLength(0)
  })

  it('ends with its client, and asks nobody', async () => {
    await rest(400)
    const gone = new AbortController()
    const answer = send(gone.signal)
    setTimeout(() => gone.abort(), 50)
    expect((await answer).status).toBe(499)
    await new Promise((resolve) => setTimeout(resolve, 450))
    expect(upstream.requests).toHaveLength(0)
  })

  it('comes through the blip of an only account: one failure, and nobody else hears of it', async () => {
    upstream.respond(reset(), anthropicJson())
    expect((await send()).status).toBe(529)
    const responses = await Promise.all([send(), send()])
    expect(responses.map(({ status }) => status)).toEqual([200, 200])
  })

  it('does not wait for what no time will end', async () => {
    upstream.respond(json(401, { error: { type: 'authentication_error', message: 'no' } }))
    expect((await send()).status).toBe(502)
    expect((await send()).headers.get('x-should-retry')).toBe('false')
  })
})

describe('a request that failed on one account', () => {
  it('waits for another that is full for a moment', async () => {
    const admin = createTestAdmin(gateway)
    await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-failing', priority: 1 })
    upstream.behave('sk-ant-test', after(400, anthropicJson()))
    upstream.behave('sk-ant-failing', anthropicJson(), reset())
    const [first, second] = await Promise.all([send(), send()])
    expect([first.status, second.status]).toEqual([200, 200])
    const busy = Promise.all([send(), send()])
    expect((await busy).map(({ status }) => status)).toEqual([200, 200])
  })

  it('counts its wait from when it begins to wait, and leaves a recovery of the first alone', async () => {
    Object.assign(gateway.runtime.config, { ACCOUNT_WAIT_SECONDS: 1 })
    const admin = createTestAdmin(gateway)
    const fields = { apiUrl: upstream.url, apiKey: 'sk-ant-failing', priority: 1 }
    const { id } = await admin.createAccount(fields)
    upstream.behave('sk-ant-test', after(2_000, anthropicJson()))
    upstream.behave('sk-ant-failing', reset(), after(1_300, reset()))
    const busy = send()
    await expect.poll(() => upstream.requests.length).toBe(2)
    const path = `/accounts/claude-console/${id}`
    await admin.call('POST', `${path}/reset-rate-limit`)
    const failing = send()
    await expect.poll(() => gateway.logged('attempt_failed').length, { timeout: 3_000 }).toBe(2)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await admin.call('POST', `${path}/reset-rate-limit`)
    expect([(await busy).status, (await failing).status]).toEqual([200, 200])
    await gateway.deferred()
    expect((await admin.call('GET', path)).json.health.status).toBe('healthy')
  })
})
