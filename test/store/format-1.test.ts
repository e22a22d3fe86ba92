/** A store that version 0.1.0 has written, opened by this one: keys, accounts and usage as they were. */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readUsage } from '../../src/ledger/usage.ts'
import { migrate } from '../../src/store/migrate.ts'
import { packSums, unpackSums } from '../../src/store/records/sums.ts'
import { createRedis } from '../../src/store/redis.ts'
import { toFields } from '../../src/store/rows.ts'
import { readSchema } from '../../src/store/schema.ts'
import { createTestAdmin, createTestGateway, read, type TestGateway } from '../support/gateway.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { usageBy } from './scripts/setup.ts'
import { openStore, storeNames, type TestStore } from './stores.ts'

const Fixture = z.object({
  nowMs: z.number(),
  apiKeys: z.record(
    z.enum(['ada', 'bob', 'gone']),
    z.object({ id: z.string(), key: z.string(), oldKey: z.string().optional() }),
  ),
  accounts: z.record(z.enum(['first', 'second', 'cooling', 'codex']), z.string()),
  requests: z.record(z.string(), z.string()),
  stats: z.record(z.string(), z.unknown()),
  commands: z.array(z.array(z.union([z.string(), z.number()]))),
})
const placeholder = 'http://127.0.0.1:1'

describe.each(storeNames)('a store of format 1 on %s', (name) => {
  const written = Fixture.parse(
    JSON.parse(readFileSync(new URL('format-1.json', import.meta.url), 'utf8')),
  )
  let store: TestStore
  let upstream: Upstream
  let test: TestGateway

  beforeEach(async () => {
    upstream = await startUpstream()
    store = await openStore(name)
    store.advance(written.nowMs - store.nowMs())
    for (const command of written.commands) {
      const body = command.map((word) => String(word).replaceAll(placeholder, upstream.url))
      const { error } = await store.engine.request({ body })
      expect(error).toBeUndefined()
    }
    test = createTestGateway({ engine: store.engine, now: store.nowMs })
  })
  afterEach(async () => {
    await test.close()
    await store.engine.close()
    await upstream.close()
  })

  const send = async (key: string, fields: object = {}) => {
    const answer = await read(
      await test.app.request('/v1/messages', {
        method: 'POST',
        headers: {
          'x-api-key': key,
          'content-type': 'application/json',
          'x-claude-code-session-id': '11111111-2222-3333-4444-555555555555',
        },
        body: JSON.stringify({
          model: 'claude-sonnet-4-6',
          max_tokens: 10,
          messages: [],
          ...fields,
        }),
      }),
    )
    await test.deferred()
    return answer
  }

  it('keeps its statistics, its accounts with their health, and its traces', async () => {
    const admin = createTestAdmin(test)
    // Counts that it did not have are zero.
    for (const [keyId, stats] of Object.entries(written.stats)) {
      expect((await admin.call('GET', `/keys/${keyId}/stats`)).json).toMatchObject(Object(stats))
    }
    const { data } = (await admin.call('GET', '/accounts/claude-console')).json
    expect(data).toMatchObject([
      { id: written.accounts.first, name: 'first', dailyQuota: 5, quotaResetTime: '08:30' },
      { id: written.accounts.second, name: 'second' },
      { id: written.accounts.cooling, health: { status: 'cooling', reason: 'rate_limited' } },
    ])
    const trace = (await admin.call('GET', `/requests/${written.requests.primary}`)).json
    expect(trace).toMatchObject({ state: 'served', affinity: 'primary', end: 'complete' })
    const moved = (await admin.call('GET', `/requests/${written.requests.moved}`)).json
    expect(moved.attempts[0]).toMatchObject({ outcome: 'rate_limited' })
    expect(JSON.stringify(moved.attempts[0])).toContain('2026-11-23T10:21:01.000Z')
    expect((await admin.call('GET', '/requests/mine')).json).toMatchObject({ state: 'served' })
    expect((await admin.call('GET', '/audit')).json.data).toHaveLength(9)
  })

  it('serves its keys, in their sessions and within their limits, and adds to what was spent', async () => {
    const { ada, bob, gone } = written.apiKeys
    const before = (await createTestAdmin(test).call('GET', `/keys/${ada.id}/stats`)).json.total
    expect(await send(ada.key)).toMatchObject({ status: 200 })
    expect(upstream.requests.map(({ credential }) => credential)).toEqual(['sk-ant-one'])
    const after = (await createTestAdmin(test).call('GET', `/keys/${ada.id}/stats`)).json.total
    expect(after.requests).toBe(before.requests + 1)
    expect(after.costUsd).toBeGreaterThan(before.costUsd)
    const me = await test.app.request('/api/v2/me', { headers: { 'x-api-key': ada.key } })
    const { limits } = (await read(me)).json
    const daily = limits.find(({ name }: { name: string }) => name === 'dailyCostLimit')
    expect(daily).toMatchObject({ limit: 20, used: after.costUsd })
    expect(await send(bob.key)).toMatchObject({ status: 200 })
    expect(upstream.requests.at(-1)?.credential).toBe('sk-ant-two')
    for (const key of [gone.key, bob.oldKey ?? '']) {
      expect(await send(key)).toMatchObject({ status: 401 })
    }
  })

  it('gives up the request that its process left behind, and charges it as an orphan', async () => {
    store.advance(16 * 60_000)
    const { ada } = written.apiKeys
    const { total } = (await createTestAdmin(test).call('GET', `/keys/${ada.id}/stats`)).json
    expect(total).toMatchObject({ requests: 6, orphanedRequests: 1, orphanedCostUsd: 0.000219 })
    await test.deferred()
    expect(await send(ada.key)).toMatchObject({ status: 200 })
  })

  it('is converted by the first request, and adds up to the same', async () => {
    const { redis } = test.runtime
    const { keyspace } = test.gateway
    expect(await redis.hget(keyspace.pool, 'schema')).toBeNull()
    const before = oldTotals()
    await test.gateway.catalog.loadPool()
    expect(await redis.hget(keyspace.pool, 'schema')).toBe('2')
    for (const dimension of ['key', 'account', 'model'] as const) {
      const after = await usageBy(redis, keyspace, store.nowMs(), dimension)
      expect(after, dimension).toEqual(before[dimension])
      expect(Object.keys(after).length).toBeGreaterThan(1)
    }
    const all = Object.values(before.key).map(unpackSums)
    const requests = all.reduce((total, sums) => total + sums.requests, 0)
    const byClient = await usageBy(redis, keyspace, store.nowMs(), 'client')
    expect(Object.keys(byClient)).toEqual(['unknown'])
    expect(unpackSums(byClient.unknown).requests).toBe(requests)
    for (const [name] of oldLedgers()) expect(await redis.exists(name)).toBe(0)
  })

  it('tells the models of each key apart, by day and by month', async () => {
    await test.gateway.catalog.loadPool()
    const { redis } = test.runtime
    const { keyspace } = test.gateway
    const source = { redis, keyspace, nowMs: store.nowMs(), timeZone: 'UTC' }
    const { id } = written.apiKeys.ada
    for (const [interval, date] of [
      ['day', '2026-11-22'],
      ['month', '2026-11'],
    ] as const) {
      const range = { from: date, to: date }
      const query = { ...range, interval, by: ['model', 'account'], filter: { key: id } } as const
      const answer = await readUsage(source, query)
      if (answer.kind !== 'usage') throw new Error('It is too wide')
      const requests = answer.rows.map(({ period, names, sums }) => {
        expect([period, names.account]).toEqual([date, ''])
        return [names.model, sums.requests] as const
      })
      expect(Object.fromEntries(requests)).toEqual({
        'claude-opus-4-6': 1,
        'claude-sonnet-4-6': 3,
        'claude-unheard-of': 1,
      })
    }
  })

  it('is converted once by several hosts at a time, of which one stops half-way', async () => {
    const before = oldTotals()
    const lame = createRedis({
      ...store.engine,
      request: (request) =>
        JSON.stringify(request.body).includes('books:account')
          ? Promise.reject(new Error('gone'))
          : store.engine.request(request),
    })
    const { keyspace } = test.gateway
    const hosts = [lame, test.runtime.redis, test.runtime.redis]
    const runs = hosts.map((redis) => migrate(redis, keyspace, readSchema(null)))
    expect((await Promise.allSettled(runs)).map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      'fulfilled',
    ])
    for (const dimension of ['key', 'account', 'model'] as const) {
      expect(await usageBy(test.runtime.redis, keyspace, store.nowMs(), dimension)).toEqual(
        before[dimension],
      )
    }
  })

  /** The old ledgers as they were written: name → fields. */
  function oldLedgers(): [string, Map<string, string>][] {
    return written.commands.flatMap(([, name, ...fields]) =>
      String(name).startsWith('crs:books:') ? [[String(name), toFields(fields.map(String))]] : [],
    )
  }

  function oldTotals(): Record<'key' | 'account' | 'model', Record<string, string>> {
    const totals: Record<string, Record<string, string>> = { key: {}, account: {}, model: {} }
    for (const [name, fields] of oldLedgers()) {
      const [, scope = '', id = ''] = /^crs:books:([^:]+):(.*)$/.exec(name) ?? []
      const of = totals[scope]
      if (of) of[id] = packSums(unpackSums(fields.get('total')))
    }
    return totals as ReturnType<typeof oldTotals>
  }
})
