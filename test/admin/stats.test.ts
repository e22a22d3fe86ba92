import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'

const nothing = {
  requests: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheCreateTokens: 0,
  cacheCreate5mTokens: 0,
  cacheCreate1hTokens: 0,
  cacheCreate30mTokens: 0,
  cacheCreate12hTokens: 0,
  reasoningTokens: 0,
  cacheReadTokens: 0,
  webSearchRequests: 0,
  costUsd: 0,
  estimatedRequests: 0,
  orphanedRequests: 0,
  orphanedCostUsd: 0,
  unpricedRequests: 0,
  sessionMoves: 0,
}

const usage = {
  input_tokens: 1_000,
  output_tokens: 500,
  cache_creation_input_tokens: 6_000,
  cache_creation: { ephemeral_5m_input_tokens: 2_000, ephemeral_1h_input_tokens: 4_000 },
  cache_read_input_tokens: 10_000,
  server_tool_use: { web_search_requests: 3 },
}
const consumed = {
  requests: 1,
  inputTokens: 1_000,
  outputTokens: 500,
  cacheCreateTokens: 6_000,
  cacheCreate5mTokens: 2_000,
  cacheCreate1hTokens: 4_000,
  cacheCreate30mTokens: 0,
  cacheCreate12hTokens: 0,
  reasoningTokens: 0,
  cacheReadTokens: 10_000,
  webSearchRequests: 3,
  // 1000 × 3000 + 500 × 15000 + 2000 × 3750 + 4000 × 6000 + 10000 × 300 + 3 × 10,000,000 nano-USD
  costUsd: 0.075,
}

let nowMs = Date.UTC(2026, 10, 22, 10, 20)
const now = () => nowMs
let test: TestGateway
let admin: TestAdmin

beforeAll(async () => {
  test = createTestGateway({
    now,
    fetch: async (_, { body }) => {
      const { model } = JSON.parse(new TextDecoder().decode(body))
      return Response.json({ type: 'message', model, content: [], usage })
    },
  })
  admin = createTestAdmin(test)
  await admin.createAccount()
})
afterAll(() => test.close())

async function send(
  gateway: Pick<TestGateway, 'app'>,
  key: string,
  model = 'claude-sonnet-4-5',
  init: RequestInit = {},
) {
  return gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ model, max_tokens: 1_000, messages: [{ role: 'user', content: 'hi' }] }),
    ...init,
  })
}

const stats = async (id: string) => {
  const { status, json } = await admin.call('GET', `/keys/${id}/stats`)
  expect(status).toBe(200)
  return json
}

describe('GET /keys/:id/stats', () => {
  it('is zero for a key that was never used', async () => {
    const { id } = await admin.createKey()
    expect(await stats(id)).toEqual({ total: nothing, daily: nothing, monthly: nothing })
  })

  it('adds up what was used in total, today and this month', async () => {
    const { id, key } = await admin.createKey()
    const spend = async () => {
      expect((await send(test, key)).status).toBe(200)
      await test.deferred()
    }
    await spend()
    const once = { ...nothing, ...consumed }
    expect(await stats(id)).toEqual({ total: once, daily: once, monthly: once })
    nowMs += 24 * 3_600_000
    await spend()
    const twice = { requests: 2, inputTokens: 2_000, cacheCreateTokens: 12_000, costUsd: 0.15 }
    expect(await stats(id)).toMatchObject({ total: twice, daily: once, monthly: twice })
    nowMs += 30 * 24 * 3_600_000
    expect(await stats(id)).toMatchObject({ total: twice, daily: nothing, monthly: nothing })
  })

  it('counts the tokens of a model without a price, and says so', async () => {
    const { id, key } = await admin.createKey()
    expect((await send(test, key, 'model-without-a-price')).status).toBe(200)
    await test.deferred()
    const { total } = await stats(id)
    expect(total).toMatchObject({ requests: 1, unpricedRequests: 1, outputTokens: 500, costUsd: 0 })
  })

  it('stays after the key is deleted', async () => {
    const { id, key } = await admin.createKey()
    expect((await send(test, key)).status).toBe(200)
    await test.deferred()
    await admin.call('DELETE', `/keys/${id}`)
    expect((await stats(id)).total.requests).toBe(1)
  })

  it('shows a request whose process ended before it as an orphan, with an estimated cost', async () => {
    const { id, key } = await admin.createKey()
    const left = new AbortController()
    const vanishing = createTestGateway({
      engine: test.engine,
      now,
      fetch: (_, { signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    })
    const request = send(vanishing, key, undefined, { signal: left.signal })
    const isLeased = async () => (await admin.call('GET', `/keys/${id}`)).json.lastUsedAt !== null
    await expect.poll(isLeased).toBe(true)
    expect((await stats(id)).total).toEqual(nothing)
    nowMs += 3_600_000
    const { total } = await stats(id)
    expect(total).toMatchObject({ requests: 1, orphanedRequests: 1, outputTokens: 0 })
    expect(total.costUsd).toBeGreaterThan(0)
    expect(total.orphanedCostUsd).toBe(total.costUsd)
    left.abort()
    await request
    await vanishing.close()
  })
})
