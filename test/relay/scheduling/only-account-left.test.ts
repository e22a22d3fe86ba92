/** An account that turns out to be the only one left rests no longer than one that was alone from the start. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readAnswer, readFixture } from '../../support/fixtures.ts'
import { createTestAdmin } from '../../support/gateway.ts'
import { createVirtualGateway, type VirtualGateway } from '../../support/virtual-gateway.ts'
import type { VirtualTime } from '../../support/virtual-time.ts'
import {
  after,
  answer,
  createVirtualUpstream,
  message,
  stream,
  type VirtualBehaviour,
  type VirtualUpstream,
} from '../../support/virtual-upstream.ts'

let upstream: VirtualUpstream
let gateway: VirtualGateway
let time: VirtualTime
let admin: ReturnType<typeof createTestAdmin>
let key: string

beforeEach(async () => {
  upstream = createVirtualUpstream(() => time)
  gateway = createVirtualGateway({ startMs: Date.UTC(2026, 2, 2), fetch: upstream.fetch })
  time = gateway.time
  admin = createTestAdmin(gateway)
  for (const name of ['a', 'b', 'c']) {
    await admin.createAccount({ name, apiKey: `sk-ant-${name}`, priority: name.charCodeAt(0) - 96 })
  }
  ;({ key } = await admin.createKey())
})
afterEach(() => gateway.close())

const conversation = readFixture('cases/F08-request.json')
const ordinary = '{"model":"claude-sonnet-4-6","messages":[]}'
/** Sends so many requests together; resolves to their answers and the time until all were answered. */
const send = async (body: string, count = 1) => {
  const startedMs = time.monotonicMs()
  const request = async () => {
    const response = await gateway.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body,
    })
    return { status: response.status, text: await response.text() }
  }
  const answers = await time.run(() => Promise.all(Array.from({ length: count }, request)))
  const tookMs = time.monotonicMs() - startedMs
  await gateway.deferred()
  return { statuses: answers.map(({ status }) => status), text: answers[0]?.text, tookMs }
}
const overloaded = answer(529, { type: 'error', error: { type: 'overloaded_error' } })
const refusesSignature: VirtualBehaviour = async () => {
  const { status, headers, body } = readAnswer('F08-answer-of-B.http')
  return new Response(body, { status, headers })
}

it('serves the conversation that only it can open within two seconds of its overload', async () => {
  upstream.behave('sk-ant-a', stream(0, 0, 0), overloaded, stream(0, 0, 0))
  upstream.behave('sk-ant-b', refusesSignature)
  upstream.behave('sk-ant-c', refusesSignature)
  expect(await send(conversation)).toMatchObject({ statuses: [200] })
  const { statuses, text, tookMs } = await send(conversation)
  expect(statuses).toEqual([200])
  expect(text).toContain('message_stop')
  expect(tookMs).toBeLessThan(2_000)
  expect(upstream.requests).toEqual(['a', 'a', 'b', 'c', 'a'].map((name) => `sk-ant-${name}`))
})

it('serves new requests too, of which one tries it and the others wait for what comes of it', async () => {
  upstream.behave('sk-ant-a', overloaded, after(300, message()))
  expect(await send(ordinary)).toMatchObject({ statuses: [200], tookMs: 0 })
  const refused = answer(401, { type: 'error', error: { type: 'authentication_error' } })
  upstream.behave('sk-ant-b', refused)
  upstream.behave('sk-ant-c', refused)
  await time.pass(100)
  const { statuses, tookMs } = await send(ordinary, 5)
  expect(statuses).toEqual([200, 200, 200, 200, 200])
  expect(tookMs).toBeLessThan(3_000)
})

it('rests as long as the vendor has named', async () => {
  const named: VirtualBehaviour = async () =>
    Response.json({ type: 'error' }, { status: 529, headers: { 'retry-after': '20' } })
  upstream.behave('sk-ant-a', stream(0, 0, 0), named, stream(0, 0, 0))
  upstream.behave('sk-ant-b', refusesSignature)
  upstream.behave('sk-ant-c', refusesSignature)
  await send(conversation)
  const { statuses, tookMs } = await send(conversation)
  expect(statuses).toEqual([200])
  expect(tookMs).toBeGreaterThanOrEqual(19_999)
})
