import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  read,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'

const day = 24 * 3_600_000
/** A Sunday. */
const startMs = Date.UTC(2026, 10, 22, 10, 20)
let nowMs = startMs
/** Costs 0.1 USD: 20,000 tokens at 5 USD a million. */
const fetch = async () =>
  Response.json({ type: 'message', content: [], usage: { input_tokens: 20_000, output_tokens: 0 } })
let test: TestGateway
let admin: TestAdmin
beforeAll(async () => {
  test = createTestGateway({ now: () => nowMs, fetch })
  admin = createTestAdmin(test)
  await admin.createAccount({ name: 'secret account name' })
})
afterAll(() => test.close())

const me = async (headers: Record<string, string>) =>
  read(await test.app.request('/api/v2/me', { headers }))
const mine = async (key: string) => {
  const { status, json, text } = await me({ 'x-api-key': key })
  expect(status, text).toBe(200)
  return json
}
async function send(key: string): Promise<number> {
  const { status } = await test.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ model: 'claude-opus-4-5', max_tokens: 1, messages: [] }),
  })
  await test.deferred()
  return status
}

describe('GET /me', () => {
  it('tells the holder of a key about it, and nothing that only administrators may know', async () => {
    const { id, key, keyPreview } = await admin.createKey({
      name: 'own',
      description: 'internal note',
      tags: ['internal tag'],
      permissions: 'claude',
    })
    for (const headers of [{ 'x-api-key': key }, { authorization: `Bearer ${key}` }]) {
      const { status, json, text } = await me(headers as Record<string, string>)
      expect(status).toBe(200)
      expect(json).toEqual({
        name: 'own',
        keyPreview,
        permissions: 'claude',
        expirationMode: 'fixed',
        activatedAt: null,
        expiresAt: null,
        lastUsedAt: null,
        enableModelRestriction: false,
        restrictedModels: [],
        limits: [],
        usage: {
          total: expect.objectContaining({ requests: 0, costUsd: 0 }),
          daily: expect.objectContaining({ requests: 0 }),
          monthly: expect.objectContaining({ requests: 0 }),
        },
      })
      for (const secret of [id, key, 'internal', 'secret account name', 'admin']) {
        expect(text).not.toContain(secret)
      }
    }
  })

  it('tells what was used today, this month and in total, and when', async () => {
    const { key } = await admin.createKey()
    expect(await send(key)).toBe(200)
    const at = new Date(nowMs).toISOString()
    const { usage, activatedAt, lastUsedAt } = await mine(key)
    expect([activatedAt, lastUsedAt]).toEqual([at, at])
    const once = { requests: 1, inputTokens: 20_000, costUsd: 0.1 }
    expect(usage).toMatchObject({ total: once, daily: once, monthly: once })
    nowMs += day
    expect((await mine(key)).usage).toMatchObject({ total: once, daily: { requests: 0 } })
  })

  it('tells of every limit what is used, what is left and when it resets', async () => {
    nowMs = startMs
    const limits = {
      concurrencyLimit: 3,
      rateLimitWindow: 60,
      rateLimitRequests: 10,
      rateLimitCost: 1,
      dailyCostLimit: 2,
      weeklyOpusCostLimit: 3,
      totalCostLimit: 0.3,
    }
    const { key } = await admin.createKey(limits)
    const of = async () =>
      Object.fromEntries(
        (await mine(key)).limits.map(({ name, ...rest }: { name: string }) => [name, rest]),
      )
    const unused = await of()
    expect(Object.keys(unused)).toEqual(Object.keys(limits).filter((n) => n !== 'rateLimitWindow'))
    expect(unused.rateLimitRequests).toEqual({
      unit: 'requests',
      limit: 10,
      used: 0,
      left: 10,
      resetAt: null,
    })
    expect(await send(key)).toBe(200)
    const windowEnd = new Date(nowMs + 3_600_000).toISOString()
    const midnight = '2026-11-23T00:00:00.000Z'
    const usd = { unit: 'usd', used: 0.1 }
    expect(await of()).toEqual({
      concurrencyLimit: { unit: 'requests', limit: 3, used: 0, left: 3, resetAt: null },
      rateLimitRequests: { unit: 'requests', limit: 10, used: 1, left: 9, resetAt: windowEnd },
      rateLimitCost: { ...usd, limit: 1, left: 0.9, resetAt: windowEnd },
      dailyCostLimit: { ...usd, limit: 2, left: 1.9, resetAt: midnight },
      // The week ends with this Sunday.
      weeklyOpusCostLimit: { ...usd, limit: 3, left: 2.9, resetAt: midnight },
      totalCostLimit: { ...usd, limit: 0.3, left: 0.2, resetAt: null },
    })
    nowMs += day
    expect(await of()).toMatchObject({
      rateLimitRequests: { used: 0, resetAt: null },
      rateLimitCost: { used: 0 },
      dailyCostLimit: { used: 0, left: 2, resetAt: '2026-11-24T00:00:00.000Z' },
      weeklyOpusCostLimit: { used: 0, resetAt: '2026-11-30T00:00:00.000Z' },
      totalCostLimit: { used: 0.1 },
    })
  })

  it('tells when the key expires, also when that is counted from its first use', async () => {
    const expiresAt = '2027-01-01T00:00:00Z'
    const fixed = await admin.createKey({ expiresAt })
    expect((await mine(fixed.key)).expiresAt).toBe('2027-01-01T00:00:00.000Z')
    const activated = await admin.createKey({ expirationMode: 'activation', activationDays: 2 })
    expect((await mine(activated.key)).expiresAt).toBeNull()
    expect(await send(activated.key)).toBe(200)
    const end = new Date(nowMs + 2 * day).toISOString()
    expect((await mine(activated.key)).expiresAt).toBe(end)
    nowMs += 2 * day
    const { status, json } = await me({ 'x-api-key': activated.key })
    expect([status, json.error.code]).toEqual([401, 'key_expired'])
    expect(json.error.message).toContain(end)
  })

  it('refuses who has no valid key, as the relay does, with the challenge', async () => {
    const deleted = await admin.createKey()
    const disabled = await admin.createKey()
    const expired = await admin.createKey({ expiresAt: '2020-01-01T00:00:00Z' })
    const rotated = await admin.createKey()
    for (const { key } of [deleted, disabled, rotated]) await mine(key)
    await admin.call('DELETE', `/keys/${deleted.id}`)
    await admin.call('PUT', `/keys/${disabled.id}`, { isActive: false })
    await admin.call('POST', `/keys/${rotated.id}/rotate`)
    const cases: [Record<string, string>, string][] = [
      [{}, 'invalid_api_key'],
      [{ 'x-api-key': 'cr_unknown' }, 'invalid_api_key'],
      [{ 'x-api-key': deleted.key }, 'invalid_api_key'],
      [{ 'x-api-key': rotated.key }, 'invalid_api_key'],
      [{ 'x-api-key': disabled.key }, 'key_disabled'],
      [{ authorization: `Bearer ${expired.key}` }, 'key_expired'],
    ]
    for (const [headers, code] of cases) {
      const answer = await me(headers)
      expect([answer.status, answer.json.error.code]).toEqual([401, code])
      expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    }
  })

  it('does not take an administrator’s token, nor a key for administration', async () => {
    expect((await admin.call('GET', '/me')).status).toBe(401)
    const { key } = await admin.createKey()
    const answer = await test.app.request('/api/v2/keys', {
      headers: { authorization: `Bearer ${key}`, 'x-api-key': key },
    })
    expect(answer.status).toBe(401)
  })

  it('takes the store one round trip for its numbers', async () => {
    const { key } = await admin.createKey()
    let trips = 0
    const engine: TestGateway['engine'] = {
      ...test.engine,
      request(request) {
        trips++
        return test.engine.request(request)
      },
    }
    const counting = createTestGateway({ engine, now: () => nowMs, fetch })
    const ask = () => counting.app.request('/api/v2/me', { headers: { 'x-api-key': key } })
    expect((await ask()).status).toBe(200)
    trips = 0
    expect((await ask()).status).toBe(200)
    // One for the key as it is now, one for the numbers.
    expect(trips).toBe(2)
    await counting.close()
  })
})
