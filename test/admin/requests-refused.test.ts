/** A refusal that reached no account can be traced, for an hour and within a bound for each key. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  read,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import { hang, startUpstream, type Upstream } from '../support/upstream.ts'

const model = 'claude-sonnet-4-6'
let upstream: Upstream
let test: TestGateway
let admin: TestAdmin
let aheadMs: number
beforeEach(async () => {
  aheadMs = 0
  upstream = await startUpstream()
  test = createTestGateway({ now: () => Date.now() + aheadMs })
  admin = createTestAdmin(test)
  await admin.createAccount({ apiUrl: upstream.url })
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

const ask = async (key: string, headers: Record<string, string> = {}, asked = model) =>
  read(
    await test.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: asked, max_tokens: 10, messages: [] }),
    }),
  )

/** Sends a request that must be refused; returns what the caller was told and what an admin sees. */
async function refusedFor(key: string, asked = model) {
  const { status, headers, json } = await ask(key, {}, asked)
  await test.deferred()
  const id = headers.get('x-request-id') ?? ''
  const { status: found, json: view } = await admin.call('GET', `/requests/${id}`)
  expect([status >= 400, found]).toEqual([true, 200])
  return { told: json.error.message, view, id }
}

const nothing = { state: 'rejected', end: 'rejected', accountId: null, attempts: [], costUsd: 0 }

describe('GET /requests/:id of a refused request', () => {
  it.each([
    // Without a model: what the key may not do at all is refused before the body is read.
    ['not_permitted', { permissions: 'codex' }, null],
    ['not_permitted', { enableClientRestriction: true, allowedClients: ['claude_code'] }, null],
    ['key_disabled', { isActive: false }, null],
    [
      'model_not_permitted',
      { enableModelRestriction: true, restrictedModels: ['claude-haiku-*'] },
      model,
    ],
  ])('names what the key may not do: %s', async (code, fields, asked) => {
    const { id: keyId, key } = await admin.createKey(fields)
    const { told, view, id } = await refusedFor(key)
    expect(view).toMatchObject({
      ...nothing,
      requestId: id,
      keyId,
      model: asked,
      platform: 'claude-console',
      refusal: { code, message: told },
    })
  })

  it('names the limit of the key that is used up', async () => {
    const { id: keyId, key } = await admin.createKey({ rateLimitWindow: 1, rateLimitRequests: 1 })
    expect((await ask(key)).status).toBe(200)
    await test.deferred()
    const { told, view } = await refusedFor(key)
    expect(view).toMatchObject({
      ...nothing,
      keyId,
      refusal: { code: 'request_limit', message: told },
    })
    const poor = await admin.createKey({ totalCostLimit: 0.0000001 })
    await ask(poor.key)
    await test.deferred()
    const { view: spent } = await refusedFor(poor.key)
    expect(spent).toMatchObject({ ...nothing, refusal: { code: 'budget_exceeded' } })
    expect(spent.refusal.message).toMatch(/total/)
  })

  it('is kept for an hour', async () => {
    const { key } = await admin.createKey({ permissions: 'codex' })
    const { id } = await refusedFor(key)
    aheadMs = 3_600_001
    expect((await admin.call('GET', `/requests/${id}`)).status).toBe(404)
  })

  it('keeps no more than the beginning of a long message', async () => {
    const restrictedModels = Array.from({ length: 50 }, (_, index) => `claude-haiku-4-5-${index}`)
    const { key } = await admin.createKey({ enableModelRestriction: true, restrictedModels })
    const { told, view } = await refusedFor(key)
    expect(view.refusal.message).toBe(told.slice(0, 500))
    expect(told.length).toBeGreaterThan(500)
  })

  it('is stored for thirty requests of a key in a minute, and of another key all the same', async () => {
    const [first, second] = await Promise.all(
      [1, 2].map(() => admin.createKey({ permissions: 'codex' })),
    )
    for (let index = 0; index < 40; index++) {
      await ask(first?.key ?? '', { 'x-request-id': `first-${index}` })
    }
    await ask(second?.key ?? '', { 'x-request-id': 'second' })
    await test.deferred()
    const found = async (id: string) => (await admin.call('GET', `/requests/${id}`)).status === 200
    const kept = await Promise.all(
      Array.from({ length: 40 }, (_, index) => found(`first-${index}`)),
    )
    expect(kept.filter(Boolean)).toHaveLength(30)
    expect(await found('second')).toBe(true)
  })

  it('costs nothing of the key, and counts as no request in flight', async () => {
    upstream.respond(hang())
    const { id, key } = await admin.createKey({ permissions: 'codex', concurrencyLimit: 1 })
    await refusedFor(key)
    await refusedFor(key)
    const { json } = await admin.call('GET', `/keys/${id}/stats`)
    expect(json.total).toMatchObject({ requests: 0, costUsd: 0 })
  })
})
