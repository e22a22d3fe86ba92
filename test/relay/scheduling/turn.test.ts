/** The contract of the queue: a request over the concurrency limit of its key waits for its turn. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../../support/gateway.ts'
import { createVirtualGateway, type VirtualGateway } from '../../support/virtual-gateway.ts'
import type { VirtualTime } from '../../support/virtual-time.ts'
import {
  after,
  createVirtualUpstream,
  message,
  silence,
  stream,
  type VirtualUpstream,
} from '../../support/virtual-upstream.ts'

let upstream: VirtualUpstream
let gateway: VirtualGateway
let time: VirtualTime
let admin: ReturnType<typeof createTestAdmin>
let id: string
let key: string

beforeEach(async () => {
  upstream = createVirtualUpstream(() => time)
  gateway = createVirtualGateway({ startMs: Date.UTC(2026, 2, 2), fetch: upstream.fetch })
  time = gateway.time
  admin = createTestAdmin(gateway)
  await admin.createAccount()
  ;({ id, key } = await admin.createKey({ concurrencyLimit: 1 }))
})
afterEach(() => gateway.close())

interface Sent {
  by?: Pick<TestGateway, 'app'>
  signal?: AbortSignal
  isStream?: boolean
}

const request = async ({ by = gateway, signal, isStream = false }: Sent = {}) =>
  by.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-haiku-4-5', messages: [], stream: isStream }),
    ...(signal && { signal }),
  })
/** Sends a request; once it is answered, notes its name and the time. */
const sender = (answered: string[]) => async (name: string, sent?: Sent) => {
  const { status } = await request(sent)
  answered.push(`${name} ${status} after ${time.monotonicMs()} ms`)
}
const waiting = () => gateway.runtime.redis.zcard(gateway.gateway.keyspace.waiting(id))
/** One more process over the same store. */
const otherProcess = () =>
  createTestGateway({ engine: gateway.engine, clock: time, fetch: upstream.fetch })

describe('a request over the concurrency limit of its key', () => {
  it('is served in the order of arrival, as soon as the one before has ended', async () => {
    upstream.respond(after(700, message()))
    const answered: string[] = []
    const send = sender(answered)
    await time.run(() => Promise.all(['1', '2', '3', '4', '5'].map((name) => send(name))))
    expect(answered).toEqual([
      '1 200 after 700 ms',
      '2 200 after 1400 ms',
      '3 200 after 2100 ms',
      '4 200 after 2800 ms',
      '5 200 after 3500 ms',
    ])
    expect(upstream.requests).toHaveLength(5)
    expect(upstream.mostAtOnce()).toBe(1)
    expect(gateway.logged('denied')).toEqual([])
    await gateway.deferred()
    const queued = gateway.logged('served').map(({ queuedMs }) => queuedMs)
    expect(queued).toEqual([0, 700, 1_400, 2_100, 2_800])
    expect(await waiting()).toBe(0)
  })

  it('is served in the order of arrival when several processes share the store', async () => {
    const other = otherProcess()
    upstream.respond(after(700, message()))
    const answered: string[] = []
    const send = sender(answered)
    await time.run(() =>
      Promise.all(
        [gateway, other, gateway, other, other].map(async (by, i) => {
          await time.sleep(i + 1)
          await send(`${i + 1}`, { by })
        }),
      ),
    )
    expect(answered.map((line) => line.slice(0, 5))).toEqual([1, 2, 3, 4, 5].map((n) => `${n} 200`))
    expect(upstream.requests).toHaveLength(5)
    expect(upstream.mostAtOnce()).toBe(1)
    await other.close()
  })

  it('is refused when its turn has not come in time, and counts as denied only then', async () => {
    upstream.respond(after(60_000, message()))
    const refused = await time.run(async () => {
      const first = request()
      await time.sleep(10)
      const second = await request()
      expect(time.monotonicMs()).toBe(45_010)
      await first
      return second
    })
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.text()).toContain('1 request in flight, and its limit is 1')
    const denied = { keyId: id, cause: 'concurrency', limit: 1, used: 1 }
    expect(gateway.logged('denied')).toMatchObject([denied])
    await gateway.deferred()
    expect(await waiting()).toBe(0)
    expect(upstream.requests).toHaveLength(1)
  })

  it('is refused at once where waiting is switched off', async () => {
    Object.assign(gateway.runtime.config, { CONCURRENCY_WAIT_SECONDS: 0 })
    upstream.respond(after(500, message()))
    const answered: string[] = []
    const send = sender(answered)
    await time.run(() => Promise.all([send('1'), send('2')]))
    expect(answered).toEqual(['2 429 after 0 ms', '1 200 after 500 ms'])
  })

  it('gives its place up at once when its client goes', async () => {
    upstream.respond(after(1_000, message()))
    const answered: string[] = []
    const send = sender(answered)
    const gone = new AbortController()
    time.setTimer(() => gone.abort(), 500)
    await time.run(() => Promise.all([send('1'), send('2', { signal: gone.signal }), send('3')]))
    expect(answered).toEqual(['2 499 after 500 ms', '1 200 after 1000 ms', '3 200 after 2000 ms'])
    expect(upstream.requests).toHaveLength(2)
  })

  it('takes the place of a request whose process has ended when its polls are missed', async () => {
    upstream.respond(after(1_000, message()))
    const { keyspace, runtime } = gateway.gateway
    const answered: string[] = []
    const send = sender(answered)
    await time.run(async () => {
      const first = send('1')
      await time.sleep(10)
      const lost = `${String(time.now() * 1000).padStart(16, '0')}|lost`
      await runtime.redis.zadd(keyspace.waiting(id), { score: time.now() + 3_000, member: lost })
      await time.sleep(10)
      await Promise.all([first, send('2')])
    })
    expect(answered[0]).toBe('1 200 after 1000 ms')
    expect(answered[1]).toMatch(/^2 200/)
    expect(await waiting()).toBe(0)
  })

  it('goes on when the limit of the key is raised', async () => {
    upstream.respond(after(20_000, message()))
    // Time passes by hand: an administrator's token is made by threads that virtual time knows nothing of.
    const answered: string[] = []
    const send = sender(answered)
    const sent = [send('1'), send('2')]
    await time.pass(5_000)
    expect(upstream.requests).toHaveLength(1)
    await admin.call('PUT', `/keys/${id}`, { concurrencyLimit: 2 })
    await time.pass(1_000)
    expect(upstream.requests).toHaveLength(2)
    await time.run(() => Promise.all(sent))
  })

  it('is refused when the key is disabled meanwhile, and blocks no other', async () => {
    upstream.respond(after(20_000, message()))
    const answered: string[] = []
    const send = sender(answered)
    const sent = [send('1'), send('2')]
    await time.pass(5_000)
    await admin.call('PUT', `/keys/${id}`, { isActive: false })
    await time.run(() => Promise.all(sent))
    expect(answered[0]).toMatch(/^2 401/)
    await gateway.deferred()
    expect(await waiting()).toBe(0)
  })

  it('waits longer where it is a stream, which is kept alive meanwhile', async () => {
    upstream.respond(after(200_000, message()), stream(0, 0, 0))
    const [, streamed] = await time.run(() =>
      Promise.all([request(), request({ isStream: true }).then((response) => response.text())]),
    )
    expect(streamed).toMatch(/^(: waiting for the upstream\n\n){10}event: message_start/)
    expect(streamed).toContain('message_stop')
  })

  it('tells a streaming client in its stream that its turn has not come in time', async () => {
    upstream.respond(after(300_000, message()))
    const [, streamed] = await time.run(() =>
      Promise.all([request(), request({ isStream: true }).then((response) => response.text())]),
    )
    expect(streamed).toMatch(/^: waiting.*event: error\ndata: .*rate_limit_error/s)
  })

  it('asks the store no more often than the host allows, and is served all the same', async () => {
    gateway.runtime.waitingPollLimit = 30
    upstream.respond(after(44_000, message()))
    let asked = 0
    const { request: ask } = gateway.engine
    gateway.engine.request = (command) => {
      asked++
      return ask(command)
    }
    // The process that serves the first is not the one that waits: nothing wakes the second.
    const other = otherProcess()
    const answered: string[] = []
    const send = sender(answered)
    await time.run(async () => {
      const first = send('1', { by: other })
      await time.sleep(1)
      asked = 0
      const second = send('2')
      await first
      await second
    })
    expect(answered[1]).toMatch(/^2 200/)
    expect(asked).toBeLessThanOrEqual(35)
    await other.close()
  })

  it('ends its wait when its last poll is spent', async () => {
    gateway.runtime.waitingPollLimit = 3
    upstream.respond(silence())
    const gone = new AbortController()
    time.setTimer(() => gone.abort(), 90_000)
    const answered: string[] = []
    const send = sender(answered)
    await time.run(() => Promise.all([send('1', { signal: gone.signal }), send('2')]))
    expect(answered[0]).toBe('2 429 after 45000 ms')
  })
})
