/** Budgets over whole requests: reservations of vanished processes, and models under other names. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { toNanoUsdLimit } from '../../src/money.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { after, anthropicJson, hang, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let aheadMs: number

beforeEach(async () => {
  aheadMs = 0
  upstream = await startUpstream()
  gateway = createTestGateway({ now: () => Date.now() + aheadMs })
  admin = createTestAdmin(gateway)
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = async (key: string, model: string, signal?: AbortSignal) =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model, max_tokens: 1_000, messages: [] }),
    ...(signal && { signal }),
  })

it('a key is not locked by what a vanished process held of its budget', async () => {
  await admin.createAccount({ apiUrl: upstream.url })
  // 15 USD a million: a reservation of 0.015 leaves no room for another.
  const { id, key } = await admin.createKey({ totalCostLimit: 0.02 })
  upstream.respond(hang(), anthropicJson())
  const leave = new AbortController()
  const lost = send(key, 'claude-sonnet-4-6', leave.signal)
  await expect.poll(() => upstream.requests.length).toBe(1)
  expect((await send(key, 'claude-sonnet-4-6')).status).toBe(429)
  aheadMs = 3_600_000
  expect((await send(key, 'claude-sonnet-4-6')).status).toBe(429)
  await gateway.deferred()
  expect((await send(key, 'claude-sonnet-4-6')).status).toBe(200)
  const { total } = (await admin.call('GET', `/keys/${id}/stats`)).json
  expect(total.orphanedRequests).toBe(1)
  leave.abort()
  await lost
})

it('a model under another name is held and charged as what it becomes', async () => {
  await admin.createAccount({
    apiUrl: upstream.url,
    supportedModels: { fast: 'claude-opus-4-5-20251101' },
  })
  const { key } = await admin.createKey({ totalCostLimit: 0.1 })
  upstream.respond(after(100, anthropicJson()))
  // 25 USD a million: each of them reserves 0.025.
  const parallel = await Promise.all(Array.from({ length: 12 }, () => send(key, 'fast')))
  const served = parallel.filter(({ status }) => status === 200)
  expect(served.length).toBeLessThanOrEqual(4)

  const opus = await admin.createKey({ weeklyOpusCostLimit: 0.001 })
  upstream.respond(anthropicJson({ usage: { output_tokens: 1_000 } }))
  expect((await send(opus.key, 'fast')).status).toBe(200)
  await gateway.deferred()
  const refused = await send(opus.key, 'fast')
  expect(refused.status).toBe(429)
  expect(await refused.text()).toContain('weekly limit for Opus')
})

it('a limit of less than a nano-dollar is a limit, of a key and of an account', async () => {
  const account = await admin.createAccount({ apiUrl: upstream.url })
  const { key } = await admin.createKey({ dailyCostLimit: 4e-10 })
  upstream.respond(anthropicJson())
  expect((await send(key, 'claude-sonnet-4-6')).status).toBe(200)
  await gateway.deferred()
  expect((await send(key, 'claude-sonnet-4-6')).status).toBe(429)
  const other = await admin.createKey()
  const path = `/accounts/claude-console/${account.id}`
  expect((await admin.call('PUT', path, { dailyQuota: 4e-10 })).status).toBe(200)
  expect((await send(other.key, 'claude-sonnet-4-6')).status).toBe(429)
  expect(toNanoUsdLimit(0)).toBe(0)
})
