/** A wall clock that is set while a request runs neither lets it hang nor ends it, and spoils none of its times. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin } from '../support/gateway.ts'
import { createVirtualGateway, type VirtualGateway } from '../support/virtual-gateway.ts'
import type { VirtualTime } from '../support/virtual-time.ts'
import {
  after,
  createVirtualUpstream,
  message,
  silence,
  stream,
  type VirtualUpstream,
} from '../support/virtual-upstream.ts'

const second = 1_000
const hour = 3_600 * second

let upstream: VirtualUpstream
let gateway: VirtualGateway
let time: VirtualTime
let key: string

beforeEach(async () => {
  upstream = createVirtualUpstream(() => time)
  gateway = createVirtualGateway({ startMs: Date.UTC(2026, 2, 2), fetch: upstream.fetch })
  time = gateway.time
  const admin = createTestAdmin(gateway)
  await admin.createAccount()
  ;({ key } = await admin.createKey())
})
afterEach(() => gateway.close())

/** Sends a request, moves the wall clock a second later, and reads the answer to its end. */
async function send(byMs: number, fields: object = {}) {
  const startedMs = time.monotonicMs()
  time.setTimer(() => time.moveWallClock(byMs), second)
  const answer = await time.run(async () => {
    const response = await gateway.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'claude-haiku-4-5', messages: [], ...fields }),
    })
    return { status: response.status, text: await response.text() }
  })
  await gateway.deferred()
  return { ...answer, tookMs: time.monotonicMs() - startedMs }
}

describe.each([
  ['back', -hour],
  ['forward', hour],
])('while the wall clock is set %s by an hour', (_, byMs) => {
  it('an upstream that is silent is given up in its time', async () => {
    upstream.respond(silence())
    const { status, tookMs } = await send(byMs)
    expect(status).toBe(503)
    expect(tookMs).toBeGreaterThanOrEqual(600 * second)
    expect(tookMs).toBeLessThan(601 * second)
    const [{ attempts } = { attempts: [] }] = gateway.logged('unserved')
    expect(attempts).toMatchObject([{ outcome: 'timeout', afterMs: 0 }])
  })

  it('the deadline of a request stays where it was', async () => {
    Object.assign(gateway.runtime.config, { REQUEST_DEADLINE_SECONDS: 100 })
    upstream.respond(silence())
    const { status, tookMs } = await send(byMs)
    expect(status).toBe(504)
    expect(tookMs).toBeGreaterThanOrEqual(100 * second)
    expect(tookMs).toBeLessThan(101 * second)
  })

  it('a slow answer is served, and its times are true', async () => {
    upstream.respond(after(100 * second, message()))
    expect(await send(byMs)).toMatchObject({ status: 200, tookMs: 100 * second })
    expect(gateway.logged('served')).toMatchObject([
      { tookMs: 100 * second, attempts: [{ afterMs: 0, tookMs: 100 * second }] },
    ])
  })

  it('a slow stream is kept alive, and is served to its end', async () => {
    upstream.respond(stream(...Array.from({ length: 12 }, () => 50 * second)))
    const { status, text, tookMs } = await send(byMs, { stream: true })
    expect({ status, tookMs }).toEqual({ status: 200, tookMs: 600 * second })
    const beforeAnswer = text.slice(0, text.indexOf('event:'))
    expect(beforeAnswer.match(/^: waiting/gm)).toHaveLength(5)
    expect(text).toMatch(/message_stop"}\s*$/)
    expect(gateway.logged('served')).toMatchObject([{ end: 'complete', estimated: false }])
  })

  it('a stream that falls silent is ended in its time', async () => {
    upstream.respond(stream(second, second, second, hour))
    const { text } = await send(byMs, { stream: true })
    expect(text).toContain('event: error')
    const [{ end, tookMs } = {}] = gateway.logged('served')
    expect(end).toBe('upstream_truncated')
    expect(tookMs).toBeGreaterThanOrEqual(123 * second)
    expect(tookMs).toBeLessThan(124 * second)
  })
})
