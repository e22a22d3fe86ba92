/** What is left of a key's limits, as its clients are told of it in headers, and where they ask for it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { json, startUpstream, type Upstream } from '../support/upstream.ts'

/** A Sunday. */
const startMs = Date.UTC(2026, 10, 22, 10, 20)
let upstream: Upstream
let test: TestGateway
let admin: ReturnType<typeof createTestAdmin>

const vendors = {
  'anthropic-ratelimit-requests-limit': '4000',
  'anthropic-ratelimit-tokens-remaining': '1',
  'anthropic-ratelimit-unified-status': 'allowed',
  'x-ratelimit-limit-requests': '4000',
  'x-ratelimit-remaining-tokens': '7',
}
/** Costs 0.1 USD on the model that is asked for: 20,000 tokens at 5 USD a million. */
const usage = { input_tokens: 20_000, output_tokens: 0 }

beforeEach(async () => {
  upstream = await startUpstream()
  test = createTestGateway({ now: () => startMs })
  admin = createTestAdmin(test)
  await admin.createAccount({ apiUrl: upstream.url })
  await admin.createAccount({ apiUrl: `${upstream.url}/v1`, apiKey: 'sk-openai' }, 'codex')
  upstream.respond(json(200, { type: 'message', content: [], usage }, vendors))
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

const post = async (path: string, key: string, body: object) => {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify(body) }
  const response = await test.app.request(path, init)
  await response.text()
  await test.deferred()
  const shown = [...response.headers].filter(([name]) => name.includes('ratelimit'))
  return { status: response.status, headers: response.headers, limits: Object.fromEntries(shown) }
}
const message = (key: string, fields: object = {}) =>
  post('/v1/messages', key, { model: 'claude-opus-4-5', max_tokens: 1, messages: [], ...fields })
const respond = (key: string, fields: object = {}) => {
  const response = {
    id: 'r',
    object: 'response',
    output: [],
    usage: { input_tokens: 1, output_tokens: 1 },
  }
  upstream.respond(json(200, response, vendors))
  return post('/openai/v1/responses', key, { model: 'gpt-5', input: 'hi', ...fields })
}
const prefix = 'anthropic-ratelimit'
const unified = `${prefix}-unified`
const midnight = String(Date.UTC(2026, 10, 23) / 1000)

describe('a successful answer', () => {
  it('shows nothing for a key without limits, and nothing of the vendor', async () => {
    const { key } = await admin.createKey({ concurrencyLimit: 5 })
    expect((await message(key)).limits).toEqual({})
    expect((await respond(key)).limits).toEqual({})
  })

  it('shows how many requests are left in the window, and when it ends', async () => {
    const { key } = await admin.createKey({ rateLimitWindow: 2, rateLimitRequests: 3 })
    expect((await message(key)).limits).toEqual({
      [`${prefix}-requests-limit`]: '3',
      [`${prefix}-requests-remaining`]: '2',
      [`${prefix}-requests-reset`]: '2026-11-22T10:22:00.000Z',
    })
    expect((await respond(key)).limits).toEqual({
      'x-ratelimit-limit-requests': '3',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-reset-requests': '2m0s',
    })
  })

  it('shows the budget that is used most, with a notice from three quarters on', async () => {
    const { key } = await admin.createKey({ dailyCostLimit: 0.23, totalCostLimit: 100 })
    const told = (status: string, utilization: string) => ({
      [`${unified}-status`]: status,
      [`${unified}-representative-claim`]: 'overage',
      [`${unified}-overage-status`]: status,
      [`${unified}-overage-utilization`]: utilization,
      [`${unified}-reset`]: midnight,
      [`${unified}-overage-reset`]: midnight,
    })
    expect((await message(key)).limits).toEqual(told('allowed', '0.00'))
    expect((await message(key)).limits).toEqual(told('allowed', '0.43'))
    expect((await message(key)).limits).toEqual({
      ...told('allowed_warning', '0.86'),
      [`${unified}-overage-surpassed-threshold`]: '0.75',
    })
  })

  it('of another family shows nothing of the budget for Opus', async () => {
    const { key } = await admin.createKey({ weeklyOpusCostLimit: 1 })
    expect((await message(key, { model: 'claude-sonnet-4-6' })).limits).toEqual({})
    expect((await message(key)).limits[`${unified}-status`]).toBe('allowed')
  })

  it('shows them where another account had to serve it, and on a stream', async () => {
    await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-second' })
    const { key } = await admin.createKey({ rateLimitWindow: 2, rateLimitRequests: 3 })
    const ok = json(200, { type: 'message', content: [], usage }, vendors)
    upstream.respond(json(529, { type: 'error', error: { type: 'overloaded_error' } }), ok)
    const { status, limits } = await message(key, { stream: true })
    expect(status).toBe(200)
    expect(limits[`${prefix}-requests-remaining`]).toBe('2')
  })
})

it('the refusal of a budget that is spent says so, without what would hide its message', async () => {
  const { key } = await admin.createKey({ dailyCostLimit: 0.05 })
  await message(key)
  const { status, limits, headers } = await message(key)
  expect(status).toBe(429)
  expect(headers.get('x-should-retry')).toBe('false')
  expect(Number(headers.get('retry-after'))).toBe((Date.UTC(2026, 10, 23) - startMs) / 1000)
  expect(limits).toEqual({
    [`${unified}-status`]: 'rejected',
    [`${unified}-reset`]: midnight,
    [`${unified}-overage-reset`]: midnight,
    [`${unified}-overage-utilization`]: '1',
    [`${unified}-overage-surpassed-threshold`]: '1',
    [`${unified}-overage-period`]: 'daily',
    [`${unified}-overage-disabled-reason`]: 'org_spend_cap_reached',
  })
  const total = await admin.createKey({ totalCostLimit: 0.05 })
  await message(total.key)
  const forever = await message(total.key)
  expect(forever.limits).not.toHaveProperty(`${unified}-reset`)
  expect(forever.limits).not.toHaveProperty(`${unified}-overage-period`)
})

describe('the holder of a key', () => {
  const get = async (path: string, key: string) => {
    const response = await test.app.request(path, { headers: { authorization: `Bearer ${key}` } })
    return { status: response.status, json: JSON.parse(await response.text()) }
  }

  it('reads its usage in the form of Claude Code, and as at /api/v2/me', async () => {
    const { key } = await admin.createKey({ dailyCostLimit: 0.125, totalCostLimit: 10 })
    await message(key)
    expect((await get('/api/oauth/usage', key)).json).toEqual({
      extra_usage: {
        is_enabled: true,
        monthly_limit: 13,
        used_credits: 10,
        utilization: 80,
        currency: 'USD',
      },
      limits: [
        {
          kind: 'spend',
          group: 'daily',
          percent: 80,
          resets_at: '2026-11-23T00:00:00.000Z',
          severity: 'warning',
          is_active: true,
        },
        {
          kind: 'spend',
          group: 'total',
          percent: 1,
          resets_at: null,
          severity: 'normal',
          is_active: true,
        },
      ],
    })
    const me = await get('/api/v2/me', key)
    expect(await get('/api/v1/usage', key)).toEqual(me)
    const free = await admin.createKey()
    const { json: none } = await get('/api/oauth/usage', free.key)
    expect(none).toMatchObject({ extra_usage: { is_enabled: false }, limits: [] })
  })

  it.each(['/api/oauth/usage', '/api/v1/usage'])('is asked for the key at %s', async (path) => {
    const { status, json: body } = await get(path, 'cr_unknown')
    expect({ status, type: body.error.type }).toEqual({ status: 401, type: 'authentication_error' })
  })
})
