/** A request that takes longer than its lease: the lease lasts as long as the request does. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sweep } from '../../src/relay/settlement/orphans.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { createManualClock } from '../support/manual-clock.ts'
import {
  anthropicJson,
  anthropicStream,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

const clock = createManualClock()
let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway({ clock, config: { LEASE_SECONDS: '3' } })
  admin = createTestAdmin(gateway)
  await admin.createAccount({ apiUrl: upstream.url })
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = async (key: string, stream: boolean) =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-x', stream, messages: [] }),
  })

/** Ten times the length of the lease passes, and others look for leases that have expired. */
async function passTime() {
  for (let seconds = 0; seconds < 30; seconds++) {
    clock.advance(1_000)
    await gateway.deferred()
    await sweep(gateway.gateway, 'claude-console')
  }
}

it('keeps it during a JSON attempt that lasts longer', async () => {
  const { id, key } = await admin.createKey()
  let isAsked = () => {}
  let mayAnswer = () => {}
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve
  })
  const answering = new Promise<void>((resolve) => {
    mayAnswer = resolve
  })
  upstream.respond(async (exchange) => {
    isAsked()
    await answering
    return anthropicJson()(exchange)
  })
  const response = send(key, false)
  await asked
  await passTime()
  mayAnswer()
  expect((await response).status).toBe(200)
  await gateway.deferred()
  const { total } = (await admin.call('GET', `/keys/${id}/stats`)).json
  expect(total).toMatchObject({ requests: 1, orphanedRequests: 0 })
  expect(gateway.logged('orphaned_request')).toEqual([])
})

it('keeps it while a client takes nothing of its stream, and ends it with the stream', async () => {
  const { id, key } = await admin.createKey({ concurrencyLimit: 1 })
  upstream.respond(anthropicStream())
  const response = await send(key, true)
  await passTime()
  expect(await response.text()).toContain('message_stop')
  await gateway.deferred()
  const { total } = (await admin.call('GET', `/keys/${id}/stats`)).json
  expect(total).toMatchObject({ requests: 1, orphanedRequests: 0 })
  expect(clock.pending()).toBe(0)
})
