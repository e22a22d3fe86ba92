/** The contract of waiting: a request for which no account is available stays a little, and never in vain. */
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
  type VirtualUpstream,
} from '../../support/virtual-upstream.ts'

let upstream: VirtualUpstream
let gateway: VirtualGateway
let time: VirtualTime
let admin: ReturnType<typeof createTestAdmin>
let key: string
let account: Record<string, unknown>

beforeEach(async () => {
  upstream = createVirtualUpstream(() => time)
  gateway = createVirtualGateway({ startMs: Date.UTC(2026, 2, 2), fetch: upstream.fetch })
  time = gateway.time
  admin = createTestAdmin(gateway)
  account = await admin.createAccount({ maxConcurrency: 1 })
  ;({ key } = await admin.createKey())
})
afterEach(() => gateway.close())

const request = async (signal?: AbortSignal) =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: '{"model":"claude-haiku-4-5","messages":[]}',
    ...(signal && { signal }),
  })
/** Sends so many requests together; when all are answered, resolves to their answers and the time that took. */
const send = async (count = 1, signal?: AbortSignal) => {
  const startedMs = time.monotonicMs()
  const responses = await time.run(() =>
    Promise.all(Array.from({ length: count }, () => request(signal))),
  )
  const [first] = responses
  const statuses = responses.map(({ status }) => status)
  return { statuses, headers: first?.headers, tookMs: time.monotonicMs() - startedMs }
}
const coolDown = async (ms: number) => {
  const { keyspace, runtime } = gateway.gateway
  const packed = `${time.now() + ms}|1|${time.now() - 1_000}|connect_failed`
  await runtime.redis.hset(keyspace.health('claude-console'), { [String(account.id)]: packed })
}

describe('a request for which no account is available', () => {
  it('waits for the end of a cooldown that is near', async () => {
    await coolDown(300)
    expect(await send()).toMatchObject({ statuses: [200], tookMs: 300 })
  })

  it('waits for a place, in any number, and all are served', async () => {
    upstream.respond(after(20, message()))
    expect((await send(6)).statuses).toEqual([200, 200, 200, 200, 200, 200])
    expect(upstream.requests).toHaveLength(6)
    expect(upstream.mostAtOnce()).toBe(1)
  })

  it('waits while another tries the account, and goes on as soon as that is answered', async () => {
    await coolDown(-1)
    upstream.respond(after(400, message()), message())
    const { statuses, tookMs } = await send(3)
    expect(statuses).toEqual([200, 200, 200])
    expect(tookMs).toBeLessThan(1_500)
  })

  it('is refused at once when none will be available in time', async () => {
    await coolDown(60_000)
    const { statuses, headers, tookMs } = await send()
    expect({ statuses, tookMs }).toEqual({ statuses: [503], tookMs: 0 })
    expect(headers?.get('retry-after')).toBe('60')
  })

  it('is refused at once where waiting is switched off', async () => {
    Object.assign(gateway.runtime.config, { ACCOUNT_WAIT_SECONDS: 0 })
    await coolDown(200)
    expect(await send()).toMatchObject({ statuses: [503], tookMs: 0 })
    expect(upstream.requests).toHaveLength(0)
  })

  it('is refused at once when a hundred of the same key wait already, and of that key only', async () => {
    await coolDown(1_100)
    const other = await admin.createKey()
    const statuses = await time.run(async () => {
      const first = Promise.all(Array.from({ length: 100 }, () => request()))
      await time.sleep(10)
      expect((await request()).status).toBe(503)
      key = other.key
      return [...(await first), await request()].map(({ status }) => status)
    })
    expect(statuses).toEqual(statuses.map(() => 200))
  })

  it('ends with its client, and asks no upstream', async () => {
    await coolDown(400)
    const gone = new AbortController()
    time.setTimer(() => gone.abort(), 50)
    expect(await send(1, gone.signal)).toMatchObject({ statuses: [499], tookMs: 50 })
    await time.pass(1_000)
    expect(upstream.requests).toHaveLength(0)
  })

  it('comes through one failure of an only account', async () => {
    upstream.respond(broken(), message())
    expect((await send()).statuses).toEqual([200])
    expect((await send(2)).statuses).toEqual([200, 200])
  })

  it('does not wait for what no time will end', async () => {
    upstream.respond(answer(401, { error: { type: 'authentication_error', message: 'no' } }))
    expect((await send()).statuses).toEqual([503])
    expect((await send()).headers?.get('x-should-retry')).toBe('false')
  })

  it('goes on at the same time although the wall clock is set forward', async () => {
    await coolDown(5_000)
    time.setTimer(() => time.moveWallClock(60 * 60_000), 1_000)
    expect(await send()).toMatchObject({ statuses: [200], tookMs: 5_000 })
  })

  it('waits no longer than it may although the wall clock is set back', async () => {
    await coolDown(5_000)
    time.setTimer(() => time.moveWallClock(-60 * 60_000), 1_000)
    expect(await send()).toMatchObject({ statuses: [503], tookMs: 5_000 })
  })
})

describe('a request that failed on one account', () => {
  const failing = { apiKey: 'sk-ant-failing', priority: 1 }

  it('waits for another that is at capacity for a moment', async () => {
    await admin.createAccount(failing)
    upstream.behave('sk-ant-test', after(400, message()))
    upstream.behave('sk-ant-failing', message(), broken())
    expect((await send(2)).statuses).toEqual([200, 200])
    expect((await send(2)).statuses).toEqual([200, 200])
  })

  it('counts its wait from when it begins to wait, and leaves a recovery of the first alone', async () => {
    const settings = { ACCOUNT_WAIT_SECONDS: 1, SOLE_ACCOUNT_RETRY_SECONDS: 0 }
    Object.assign(gateway.runtime.config, settings)
    const { id } = await admin.createAccount(failing)
    const path = `/accounts/claude-console/${id}`
    upstream.behave('sk-ant-test', after(2_000, message()))
    upstream.behave('sk-ant-failing', broken(), after(1_300, broken()))
    // Time passes by hand: an administrator's token is made by threads that virtual time knows nothing of.
    const busy = request()
    await time.pass(10)
    await admin.call('POST', `${path}/reset-rate-limit`)
    const failed = request()
    await time.pass(1_400)
    expect(gateway.logged('attempt_failed')).toHaveLength(2)
    await admin.call('POST', `${path}/reset-rate-limit`)
    const responses = await time.run(() => Promise.all([busy, failed]))
    expect(responses.map(({ status }) => status)).toEqual([200, 200])
    await gateway.deferred()
    expect((await admin.call('GET', path)).json.health.status).toBe('healthy')
  })
})
