/** What the scripts cost, counted: nothing grows with the number of accounts, and no limit leaks under load. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRedis, type Engine } from '../../../src/store/redis.ts'
import { writeAccountScript } from '../../../src/store/scripts/catalog.ts'
import { has } from '../../support/lanes.ts'
import { openRedis } from '../stores.ts'
import { accounts, createBench, poolId } from './setup.ts'

describe.runIf(has('redis-server'))('the scripts on redis-server, by its own clock', () => {
  let engine: Engine
  let prefix = 0
  beforeAll(async () => {
    engine = await openRedis()
  })
  afterAll(() => engine?.close())
  const store = (given = engine) => ({ engine: given, nowMs: Date.now, advance: () => {} })
  const bench = (given?: Engine) => createBench(store(given), `bounds-${++prefix}:`)

  it('admits exactly ten of two hundred parallel requests under a limit of ten', async () => {
    const { admit, inflight, counters } = bench()
    const ids = Array.from({ length: 200 }, (_, i) => `one-${i}`)
    const candidates = accounts('a', 'b', 'c')
    const replies = await Promise.all(
      ids.map((ledgerId) => admit(ledgerId, { limits: { concurrencyLimit: 10 }, candidates })),
    )
    const denied = { kind: 'deny', cause: 'concurrency', limit: 10, used: 10 }
    expect(replies.filter(({ kind }) => kind === 'ok')).toHaveLength(10)
    for (const reply of replies) if (reply.kind !== 'ok') expect(reply).toMatchObject(denied)
    expect(Object.values(await inflight()).sort()).toEqual([3, 3, 4])
    expect((await counters()).heldNanoUsd).toBe('1000')
  })

  it('takes as many calls and keys to admit from five hundred accounts as from one', async () => {
    const single = await measure(1)
    const many = await measure(500)
    expect(many).toEqual(single)
    expect(single.keys).toBe(12)
    // A limit of requests in flight costs two calls: one for the leases, one for those who wait.
    expect(single.commands).toMatchObject({ zcount: 1, zrange: 1 })
    expect(single.commands).not.toHaveProperty('keys')
    expect(single.commands).not.toHaveProperty('scan')
  })

  it('settles with thirteen commands, and two more in the first settlement of an hour', async () => {
    const { admit, settle } = bench()
    const counts: number[] = []
    for (const ledgerId of ['one', 'two', 'three']) {
      await admit(ledgerId)
      await createRedis(engine).exec(['config', 'resetstat'])
      expect(await settle(ledgerId, { verdict: 'success' })).toBe('charged')
      const { evalsha, eval: text, ...commands } = await commandCounts()
      counts.push(Object.values(commands).reduce((sum, calls) => sum + calls, 0))
    }
    expect(counts).toEqual([13 + 2, 13, 13])
  })

  /** Calls by command since the last reset, those that read them excepted. */
  async function commandCounts(): Promise<Record<string, number>> {
    const stats = String(await createRedis(engine).exec(['info', 'commandstats']))
    const rows = [...stats.matchAll(/cmdstat_([^:|]+)[^:]*:calls=(\d+)/g)]
    const commands = Object.fromEntries(rows.map(([, name, calls]) => [name, Number(calls)]))
    const { config, info, ...counted } = commands
    return counted as Record<string, number>
  }

  /** Calls by command, and KEYS, of one admission with `count` accounts in the pool and in the plan. */
  async function measure(count: number) {
    let keys = 0
    const counting: Engine = {
      ...engine,
      request: (request) => {
        const [, , keyCount] = request.body as [string, string, number]
        keys = Number(keyCount)
        return engine.request(request)
      },
    }
    const { admit, redis, keyspace } = bench(counting)
    const ids = Array.from({ length: count }, (_, i) => `account-${i}`)
    for (const accountId of ids)
      await writeAccountScript(redis, keyspace, { accountId, expectedRevision: 0, record: '{}' })
    const plan = {
      poolVersion: String(await redis.hget(keyspace.pool, 'version')),
      candidates: accounts(...ids),
      sessionKey: 'session',
      limits: { concurrencyLimit: 1_000 },
    }
    // Each account has a record, so that none is spared any reading or the claim of a probe.
    const recovering = Object.fromEntries(ids.map((id) => [id, '1|1|1|overloaded']))
    await redis.hset(keyspace.health(poolId), recovering)
    expect(await admit('first', plan)).toMatchObject({ kind: 'ok' })
    await redis.hset(keyspace.health(poolId), recovering)
    await createRedis(engine).exec(['config', 'resetstat'])
    const reply = await admit('second', plan)
    expect(reply).toMatchObject({ kind: 'ok' })
    const admitKeys = keys
    return { keys: admitKeys, commands: await commandCounts() }
  }
})
