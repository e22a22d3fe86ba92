/** A store that version 0.1.0 has written, opened by this one: keys, accounts and usage as they were. */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createTestAdmin, createTestGateway, read, type TestGateway } from '../support/gateway.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
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

  it('names its format from the first change on', async () => {
    const { redis, keyspace } = { redis: test.runtime.redis, keyspace: test.gateway.keyspace }
    expect(await redis.hget(keyspace.pool, 'schema')).toBeNull()
    const path = `/accounts/claude-console/${written.accounts.first}`
    await createTestAdmin(test).call('PUT', path, { priority: 3 })
    expect(await redis.hget(keyspace.pool, 'schema')).toBe('1')
  })
})
