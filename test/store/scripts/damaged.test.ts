/** Damaged records: what stands in one account's or one key's fields must not keep others from being served. */
import { expect, it } from 'vitest'
import { bucketsAt } from '../../../src/ledger/calendar.ts'
import { accounts, describeOnStores, failed, poolId } from './setup.ts'

const far = '9'.repeat(400)
const garbage = [
  '',
  '|',
  'null',
  '{"a":1}',
  'nan|nan|nan|nan|nan',
  'inf|inf|inf|inf|inf',
  '1|1|1|no-day|1',
  '1|1|1|9999-99-99|1',
  `${far}|${far}|${far}|2026-11-22|${far}`,
  `${far}|1|${far}|rate_limited`,
  `999999999999999|1p|1|never heard of`,
  '1|1|1|never heard of',
  '-1|-1|-1|2026-11-22|-1',
  '|||||||',
  '\0\u00ff|\0',
]

describeOnStores('a damaged record of one account', (bench) => {
  const quota = { quotaNanoUsd: 1_000, maxConcurrency: 5 }
  const both = accounts({ accountId: 'a', priority: 1, ...quota }, { accountId: 'b', ...quota })

  it.each(garbage)('of its health or its load lets every other account serve: %j', async (text) => {
    const { admit, reassign, settle, recover, redis, keyspace, request, load } = bench()
    for (const field of ['a', 'a/opus'])
      await redis.hset(keyspace.health(poolId), { [field]: text })
    await redis.hset(keyspace.load(poolId), { a: text })
    const first = await admit('1', { candidates: both })
    expect(first.kind).toBe('ok')
    await recover('1')
    const moved = await reassign('1', { candidates: accounts({ accountId: 'c', ...quota }) })
    expect(moved.kind).toBe('ok')
    expect(await settle('1', { accountId: 'c', verdict: 'success' })).toBe('charged')
    expect((await request('1')).state).toBe('settled')
    // With all accounts out of reach the answer names reasons that everybody knows.
    await redis.hset(keyspace.health(poolId), { a: text, 'a/opus': text })
    const none = await admit('2', { candidates: accounts({ accountId: 'a', ...quota }) })
    expect(['ok', 'none']).toContain(none.kind)
    expect((await load('c')).spentNanoUsd).toBe(40)
    expect((await admit('3', { candidates: accounts({ accountId: 'c', ...quota }) })).kind).toBe(
      'ok',
    )
  })

  it.each(garbage)('of its failure is written anew by the next failure: %j', async (text) => {
    const { admit, reassign, redis, keyspace, health, advance } = bench()
    await admit('1', { candidates: accounts('a', 'b') })
    await advance(10)
    await redis.hset(keyspace.health(poolId), { a: text })
    const reply = await reassign('1', {
      failure: failed(),
      onlyAccountCooldown: { cooldownMs: 100, maxCooldownMs: 100 },
      candidates: [],
    })
    expect(reply.kind).toBe('none')
    expect((await health()).a).toMatch(/^\d+\|/)
  })

  it.each(garbage)(
    'of a lease that expired ends no reaping, and is handed out once: %j',
    async (text) => {
      const { admit, sweep, redis, keyspace, advance, inflight } = bench()
      await admit('1', { candidates: accounts('b') })
      await redis.zadd(keyspace.poolLeases(poolId), { score: 1, member: text })
      await redis.zadd(keyspace.orphans, { score: 1, member: `${text}|` })
      await advance(10_001)
      const orphans = await sweep()
      expect(orphans).toHaveLength(3)
      expect(await inflight()).toMatchObject({ b: 0 })
      await advance(60_000)
      const again = await sweep()
      expect(again).toEqual([expect.stringContaining('1|claude-console|key|b|')])
      expect((await admit('2', { candidates: accounts('b') })).kind).toBe('ok')
    },
  )

  it.each(garbage)(
    'of the usage ledger starts again from zero, and no other is changed: %j',
    async (text) => {
      const { admit, settle, redis, keyspace, hash, nowMs, advance, rollUp, usageBy } = bench()
      const open = keyspace.usage.openHour(bucketsAt(nowMs(), 'UTC').hourId)
      const sums = { totalSums: text, daySums: text, monthSums: text }
      await redis.hset(keyspace.keyCounters('key'), sums)
      await redis.hset(open, {
        'key|a|unknown||opus': text,
        'key|b|unknown||opus': text,
        [text]: text,
      })
      await admit('1')
      expect(await settle('1')).toBe('charged')
      expect(await settle('2', { accountId: 'c' })).toBe('charged')
      expect((await hash(open))['key|a|unknown||opus']).toMatch(/^-?\d+(:-?\d+)+$/)
      expect((await hash(keyspace.keyCounters('key'))).totalSums).toMatch(/^-?\d+(:-?\d+)+$/)
      advance(60 * 60 * 1_000)
      await rollUp()
      expect(await hash(open)).toEqual({})
      expect((await usageBy('account')).c).toMatch(/^1:/)
    },
  )

  it.each(garbage)('of a session is none: %j', async (text) => {
    const { admit, settle, redis, keyspace } = bench()
    await redis.set(keyspace.sticky(poolId, 'key', 'session'), text)
    expect(await admit('1', { sessionKey: 'session' })).toMatchObject({
      kind: 'ok',
      accountId: 'a',
    })
    expect(await settle('1')).toBe('charged')
  })

  it.each(garbage)('of an id names an account that is gone, or none: %j', async (text) => {
    const { admit, redis, keyspace } = bench()
    await redis.set(keyspace.affinity(poolId, 'key', 'digest'), text)
    const { kind } = await admit('1', { affinityDigest: 'digest' })
    expect(kind).toBe(/^[\w-]+$/.test(text) ? 'issuerGone' : 'ok')
  })

  it('keeps the picks of the others in this century', async () => {
    const { admit, redis, keyspace, load, nowMs } = bench()
    await redis.hset(keyspace.load(poolId), { a: '0|9000000000000000|0||0' })
    await admit('1', { candidates: accounts({ accountId: 'a', priority: 90 }, 'b') })
    expect((await load('b')).pickedMs).toBeLessThan(nowMs() + 120_000)
  })
})

describeOnStores('a damaged counter of one key', (bench) => {
  const fields = [
    'heldNanoUsd',
    'heldOpusNanoUsd',
    'activatedAtMs',
    'windowEndsMs',
    'windowRequests',
    'windowCostNanoUsd',
    'day',
    'week',
    'daySpentNanoUsd',
    'weekOpusSpentNanoUsd',
    'spentNanoUsd',
  ]

  it.each(fields)('%s counts as zero, and the next request writes it anew', async (field) => {
    const { admit, settle, redis, keyspace, counters } = bench()
    const limits = { dailyCostLimit: 10_000, totalCostLimit: 10_000, rateLimitRequests: 10 }
    for (const text of ['', 'garbage', 'inf', 'nan', '0x10', far, '9999-99-99x']) {
      await redis.hset(keyspace.keyCounters('key'), { [field]: text })
      const ledgerId = `${field}-${text.slice(0, 8)}`
      const reply = await admit(ledgerId, { limits, windowMs: 60_000, activationMs: 60_000 })
      expect(reply.kind).toBe('ok')
      await redis.hset(keyspace.keyCounters('key'), { [field]: text })
      expect(await settle(ledgerId)).toBe('charged')
      expect((await counters()).heldNanoUsd).toMatch(/^-?\d+$/)
    }
  })
})
