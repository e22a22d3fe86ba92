/** What the usage ledger holds of how requests went: failed attempts, ends, times, and what moves cost. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { percentileMs } from '../../src/domain/histogram.ts'
import { histograms, type Sums } from '../../src/domain/sums.ts'
import { noUsage } from '../../src/domain/usage.ts'
import { priceUsage } from '../../src/ledger/price.ts'
import { readUsage } from '../../src/ledger/usage.ts'
import type { Dimension } from '../../src/store/records/usage-row.ts'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import { responsesJson, responsesStream } from '../support/openai.ts'
import {
  anthropicJson,
  anthropicStream,
  json,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

const model = 'claude-sonnet-4-6'

let upstream: Upstream
let gateway: TestGateway
let admin: TestAdmin
let first: string
let second: string
let key: { id: string; key: string }

beforeEach(async () => {
  upstream = await startUpstream()
  const config = { SOLE_ACCOUNT_RETRY_SECONDS: '0', ACCOUNT_WAIT_SECONDS: '0' }
  gateway = createTestGateway({ config })
  admin = createTestAdmin(gateway)
  first = (await admin.createAccount({ apiUrl: upstream.url, priority: 1 })).id
  second = (await admin.createAccount({ apiUrl: upstream.url, priority: 2 })).id
  key = await admin.createKey()
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

async function send(stream = false, headers: Record<string, string> = {}): Promise<number> {
  const response = await gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key.key, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, stream, messages: [] }),
  })
  await response.text()
  await gateway.deferred()
  return response.status
}

/** Today's sums by one dimension; what is zero is left out. */
async function usageBy(dimension: Dimension): Promise<Record<string, Partial<Sums>>> {
  const nowMs = gateway.runtime.now()
  const { redis } = gateway.runtime
  const { keyspace } = gateway.gateway
  const today = new Date(nowMs).toISOString().slice(0, 10)
  const range = { interval: 'day', from: today, to: today } as const
  const source = { redis, keyspace, nowMs, timeZone: 'UTC' }
  const answer = await readUsage(source, { ...range, by: [dimension], filter: {} })
  if (answer.kind !== 'usage') throw new Error('It is too wide')
  const withoutZeros = (sums: Sums) =>
    Object.fromEntries(Object.entries(sums).filter(([, sum]) => sum !== 0))
  return Object.fromEntries(
    answer.rows.map(({ names, sums }) => [names[dimension] ?? '', withoutZeros(sums)]),
  )
}

it('an attempt that failed counts for its account and its reason, and for no key', async () => {
  upstream.respond(json(529, {}), anthropicStream())
  expect(await send(true)).toBe(200)
  const byAccount = await usageBy('account')
  expect(byAccount[first]).toEqual({ attempts: 1, failed_overloaded: 1 })
  expect(byAccount[second]).toMatchObject({ requests: 1, attempts: 1, failovers: 1 })
  const byKey = await usageBy('key')
  expect(byKey[key.id]).toEqual(byAccount[second])
  expect(byKey['']).toEqual(byAccount[first])
  expect(Object.keys(await usageBy('model'))).toEqual([model])
})

it('tokens that a failed attempt reported are a cost of its account, and of no key', async () => {
  const usage = { input_tokens: 1_000, output_tokens: 1 }
  upstream.respond(anthropicStream({ usage, errorAfterEvents: 1 }), anthropicJson())
  expect(await send(true)).toBe(200)
  const byAccount = await usageBy('account')
  const reported = byAccount[first]
  expect(reported).toMatchObject({ inputTokens: 1_000, failed_overloaded: 1 })
  const inputTokens = reported?.inputTokens ?? 0
  const outputTokens = reported?.outputTokens ?? 0
  const priced = { ...noUsage, inputTokens, outputTokens }
  const provider = 'anthropic' as const
  const cost = priceUsage({ provider, model, usage: priced, atMs: Date.now() })
  expect(cost).toEqual({ costNanoUsd: reported?.costNanoUsd })
  expect(reported?.requests).toBeUndefined()
  const { total } = (await admin.call('GET', `/keys/${key.id}/stats`)).json
  expect(total).toMatchObject({ requests: 1, inputTokens: 12, outputTokens: 7 })
  expect((await usageBy('key'))[key.id]?.costNanoUsd).toBe(Math.round(total.costUsd * 1e9))
  const { keyspace } = gateway.gateway
  const load = await gateway.runtime.redis.hget<string>(keyspace.load('claude-console'), first)
  expect(load?.split('|').at(-1)).toBe(String(reported?.costNanoUsd))
})

it('tokens of a response that failed before its content are a cost of its account as well', async () => {
  const apiUrl = `${upstream.url}/v1`
  const failing = await admin.createAccount({ apiUrl, priority: 1 }, 'codex')
  await admin.createAccount({ apiUrl, priority: 2 }, 'codex')
  const usage = { input: 1_000, cached: 600, written: 0, output: 30, reasoning: 20 }
  upstream.respond(responsesStream({ ending: 'failed', deltas: [], usage }), responsesJson())
  const response = await gateway.app.request('/openai/v1/responses', {
    method: 'POST',
    headers: { authorization: `Bearer ${key.key}`, 'content-type': 'application/json' },
    body: '{"model":"gpt-5","input":"hi"}',
  })
  expect(response.status).toBe(200)
  await response.text()
  await gateway.deferred()
  const reported = { inputTokens: 400, cacheReadTokens: 600, outputTokens: 30, reasoningTokens: 20 }
  expect((await usageBy('account'))[failing.id]).toMatchObject(reported)
  const { total } = (await admin.call('GET', `/keys/${key.id}/stats`)).json
  expect(total).toMatchObject({ requests: 1, inputTokens: 15, outputTokens: 9 })
})

it('a request that all accounts failed, and one that the upstream refused, count for their key', async () => {
  upstream.respond(
    json(400, { type: 'error', error: { type: 'invalid_request_error', message: 'no' } }),
  )
  expect(await send()).toBe(400)
  upstream.respond(json(529, {}))
  expect(await send()).toBeGreaterThanOrEqual(500)
  const byKey = await usageBy('key')
  expect(byKey[key.id]).toEqual({ failedRequests: 1, refusedRequests: 1 })
  expect(byKey['']?.failed_overloaded).toBe(byKey['']?.attempts)
})

it('times are histograms that tell percentiles', async () => {
  upstream.respond(anthropicStream(), anthropicStream(), anthropicJson())
  for (const stream of [true, true, false]) expect(await send(stream)).toBe(200)
  const sums = (await usageBy('key'))[key.id] ?? {}
  const counts = (name: keyof typeof histograms) =>
    histograms[name].map((field) => sums[field] ?? 0)
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
  expect([sum(counts('firstToken')), sum(counts('duration'))]).toEqual([2, 3])
  expect(percentileMs(counts('duration'), 0.5)).toBeGreaterThan(0)
  expect(percentileMs([], 0.5)).toBeUndefined()
  expect(percentileMs([0, 10, 0, 10], 0.5)).toBe(500)
  expect(percentileMs([0, 10, 0, 10], 0.75)).toBe(1_500)
})

it('what a moved session writes to the cache of its new account is told apart', async () => {
  const session = { 'x-claude-code-session-id': '11111111-2222-3333-4444-555555555555' }
  upstream.respond(anthropicJson())
  await send(false, session)
  const usage = { cache_creation_input_tokens: 2_000 }
  upstream.respond(json(529, {}), anthropicJson({ usage }))
  await send(false, session)
  const { [second]: moved } = await usageBy('account')
  expect(moved).toMatchObject({ sessionMoves: 1, moveCacheWriteTokens: 2_000 })
  expect(moved?.moveCacheWriteCostNanoUsd).toBeGreaterThan(0)
  expect(moved?.moveCacheWriteCostNanoUsd).toBeLessThan(moved?.costNanoUsd ?? 0)
})
