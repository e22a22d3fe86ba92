/** What is booked of an answer, and what becomes of models without a price. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { json, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let test: TestGateway
let admin: ReturnType<typeof createTestAdmin>

const open = (config: Record<string, string> = {}) => {
  test = createTestGateway({ config })
  admin = createTestAdmin(test)
}
beforeEach(async () => {
  upstream = await startUpstream()
  answer({})
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

/** The upstream answers with 1,000 tokens of input and 100 of output. */
function answer(usage: object, model = 'claude-opus-5'): void {
  upstream.respond(json(200, message(model, usage)))
}
function message(model: string, usage: object) {
  const fields = { id: 'msg_1', type: 'message', role: 'assistant', stop_reason: 'end_turn' }
  const content = [{ type: 'text', text: 'hello' }]
  const counts = { input_tokens: 1_000, output_tokens: 100, ...usage }
  return { ...fields, model, content, usage: counts }
}
const addAccount = (fields: object = {}) =>
  admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-a', ...fields }, 'claude-console')
async function send(key: string, model: string, fields: object = {}) {
  const response = await test.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model, max_tokens: 100, messages: [], ...fields }),
  })
  const body = JSON.parse(await response.text())
  await test.deferred()
  const id = response.headers.get('x-request-id') ?? ''
  return { status: response.status, body, headers: response.headers, id }
}
const requestOf = async (id: string) => (await admin.call('GET', `/requests/${id}`)).json
const total = async (id: string) => (await admin.call('GET', `/keys/${id}/stats`)).json.total

describe('a bill', () => {
  beforeEach(() => open())

  it('has the factors that the answer names, line by line, and adds up to what is booked', async () => {
    await addAccount({ costMultiplier: 0.8 })
    const { id: keyId, key } = await admin.createKey()
    answer({ speed: 'fast', inference_geo: 'us', cache_read_input_tokens: 2_000 })
    const { id } = await send(key, 'claude-opus-5')
    // (1000 × 10 + 2000 × 1 + 100 × 50) USD per million × 1.1, of which the account costs 0.8.
    expect(await requestOf(id)).toMatchObject({
      costUsd: 0.01496,
      bill: {
        listCostUsd: 0.0187,
        factors: { speed: 'fast', inferenceGeo: 'us', servedModel: 'claude-opus-5' },
        parts: [
          {
            model: 'claude-opus-5',
            source: 'list',
            isFast: true,
            percents: [110],
            multiplier: 0.8,
            lines: [
              { kind: 'input', units: 1_000, rate: 10, costUsd: 0.011 },
              { kind: 'cacheRead', units: 2_000, rate: 1, costUsd: 0.0022 },
              { kind: 'output', units: 100, rate: 50, costUsd: 0.0055 },
            ],
          },
        ],
      },
    })
    expect((await total(keyId)).costUsd).toBe(0.01496)
  })

  it('is at the price of the model that served the request', async () => {
    await addAccount()
    const { key } = await admin.createKey()
    answer({}, 'claude-haiku-5-5')
    const { id } = await send(key, 'claude-opus-5')
    const { costUsd, bill } = await requestOf(id)
    expect(costUsd).toBe(0.00015)
    expect(bill.parts[0]).toMatchObject({ model: 'claude-haiku-5-5', source: 'overlay' })
  })

  it('keeps the tokens of a model without a price, for a price that comes later', async () => {
    await addAccount()
    const { key } = await admin.createKey()
    answer({ service_tier: 'batch' }, 'secret')
    const { id } = await send(key, 'model-without-a-price')
    const { costUsd, bill } = await requestOf(id)
    expect(costUsd).toBeNull()
    expect(bill).toMatchObject({
      factors: { serviceTier: 'batch', servedModel: 'secret' },
      parts: [
        { model: 'model-without-a-price', source: null, lines: [{ units: 1_000, rate: null }, {}] },
      ],
    })
  })

  it('is what the reservation allows for, with the highest multiplier of the accounts', async () => {
    await addAccount()
    await addAccount({ costMultiplier: 2, schedulable: true, name: 'dear' })
    const { id, key } = await admin.createKey({ totalCostLimit: 100 })
    let reserved = 0
    const behaviour = json(200, message('claude-opus-5', {}))
    upstream.respond(async (exchange) => {
      reserved = Number(await test.runtime.redis.hget(`crs:key:${id}`, 'heldNanoUsd'))
      await behaviour(exchange)
    })
    const { status } = await send(key, 'claude-opus-5', { max_tokens: 1_000 })
    expect(status).toBe(200)
    // A thousand tokens of output at 25 USD per million, and some of input, twice.
    expect(reserved).toBeGreaterThanOrEqual(50_000_000)
    expect(reserved).toBeLessThan(51_000_000)
  })
})

describe('a model without a price', () => {
  const budget = { totalCostLimit: 1 }

  it('is refused before the request leaves, where the key has a cost limit', async () => {
    open()
    await addAccount()
    const { key } = await admin.createKey(budget)
    const { status, body, headers } = await send(key, 'model-without-a-price')
    expect(status).toBe(403)
    expect(body.error.type).toBe('permission_error')
    expect(body.error.message).toMatch(/"model-without-a-price".*UNPRICED_MODELS/)
    expect(headers.get('x-should-retry')).toBe('false')
    expect(upstream.requests).toHaveLength(0)
  })

  it('passes, flagged, where the key has none', async () => {
    open()
    await addAccount()
    const { id, key } = await admin.createKey({ rateLimitRequests: 5, rateLimitWindow: 1 })
    answer({}, 'model-without-a-price')
    expect((await send(key, 'model-without-a-price')).status).toBe(200)
    expect(await total(id)).toMatchObject({ unpricedRequests: 1, costUsd: 0 })
    expect(test.logged('unpriced_model')).toHaveLength(1)
  })

  it('is judged by the name that each account is asked for', async () => {
    open()
    const dear = { 'my-model': 'model-without-a-price' }
    await addAccount({ name: 'unpriced', apiKey: 'sk-ant-unpriced', supportedModels: dear })
    const { key } = await admin.createKey(budget)
    expect((await send(key, 'my-model')).status).toBe(403)
    const known = { 'my-model': 'claude-opus-5' }
    await addAccount({ name: 'priced', apiKey: 'sk-ant-priced', supportedModels: known })
    const { status, id } = await send(key, 'my-model')
    expect(status).toBe(200)
    expect(upstream.requests.map(({ credential }) => credential)).toEqual(['sk-ant-priced'])
    const { passedOver } = await requestOf(id)
    expect(passedOver).toMatchObject([{ why: 'model_unpriced' }])
  })

  it('costs what the dearest model of the vendor does, by setting', async () => {
    open({ UNPRICED_MODELS: 'dearest' })
    await addAccount()
    answer({}, 'model-without-a-price')
    const { id, key } = await admin.createKey(budget)
    expect((await send(key, 'model-without-a-price')).status).toBe(200)
    // 1000 × 25 + 100 × 125 USD per million.
    expect(await total(id)).toMatchObject({ costUsd: 0.0375, unpricedRequests: 0 })
    expect(test.logged('unpriced_model')).toHaveLength(1)
  })
})
