/** The contract of `admit`: who may run, and what a caller hears otherwise. */
import { expect, it } from 'vitest'
import { ttl } from '../../../src/store/keyspace.ts'
import { writeAccountScript } from '../../../src/store/scripts/catalog.ts'
import { accounts, describeOnStores, failed, leaseMs, row } from './setup.ts'

describeOnStores('admit', (bench) => {
  it('keeps the marker of a request until two days after its end', async () => {
    const { admit, reassign, renew, settle, redis, keyspace, advance } = bench()
    const ttlMs = () => redis.pttl(keyspace.request('one'))
    await admit('one')
    expect(await ttlMs()).toBe(-1)
    await reassign('one')
    await renew('one')
    expect(await ttlMs()).toBe(-1)
    await settle('one', { accountId: 'b' })
    expect(await ttlMs()).toBeGreaterThan(ttl.requestMs - 60_000)
    await admit('left', { candidates: accounts('c') })
    advance(leaseMs)
    await settle('left', { kind: 'orphan', accountId: 'c', member: await memberOf('left') })
    expect(await redis.pttl(keyspace.request('left'))).toBeGreaterThan(0)
  })

  const memberOf = async (ledgerId: string) => (await bench().request(ledgerId)).member ?? ''

  it('leases an account, reserves the estimate and answers with the expiry', async () => {
    const { admit, counters, inflight, nowMs } = bench()
    const expiresAtMs = nowMs() + leaseMs
    const ok = { kind: 'ok', accountId: 'a', generation: 1, expiresAtMs, orphans: [] }
    const how = { affinity: 'none', isProbe: false, skipped: [] }
    const use = { windowRequests: 1, windowEndsMs: 0, spent: [] }
    expect(await admit('one')).toEqual({ ...ok, ...how, ...use })
    expect(await inflight()).toEqual({ a: 1 })
    expect(await counters()).toMatchObject({
      heldNanoUsd: '100',
      activatedAtMs: String(nowMs()),
      lastUsedAtMs: String(nowMs()),
    })
  })

  it('answers what counts of each limit that is set and counts the request, itself included', async () => {
    const { admit, settle, nowMs } = bench()
    const limits = { rateLimitRequests: 9, dailyCostLimit: 900, weeklyOpusCostLimit: 900 }
    const given = { limits, windowMs: 60_000 }
    await admit('one', given)
    await settle('one', { costNanoUsd: 40 })
    const use = { windowRequests: 2, windowEndsMs: nowMs() + 60_000 }
    expect(await admit('two', given)).toMatchObject({ ...use, spent: ['', '40', '40', ''] })
    const other = await admit('three', { ...given, family: 'other' })
    expect(other).toMatchObject({ windowRequests: 3, spent: ['', '40', '', ''] })
  })

  it('answers a repeated ledger id as before, without a second lease or the use of its key', async () => {
    const { admit, advance, inflight, counters } = bench()
    const first = await admit('one')
    advance(10)
    expect(await admit('one')).toEqual({ ...first, windowRequests: 0 })
    expect(await inflight()).toEqual({ a: 1 })
    expect(await counters()).toMatchObject({ heldNanoUsd: '100', windowRequests: '1' })
  })

  it('answers gone to a ledger id that has ended, or whose lease was reaped', async () => {
    const { admit, settle, sweep, advance } = bench()
    await admit('settled')
    await settle('settled')
    await settle('never admitted', { kind: 'void' })
    await admit('reaped')
    advance(leaseMs)
    await sweep()
    for (const ledgerId of ['settled', 'never admitted', 'reaped'])
      expect(await admit(ledgerId)).toEqual({ kind: 'gone' })
  })

  it('writes nothing and answers the rows that a stale plan has not seen', async () => {
    const { admit, redis, keyspace, counters } = bench()
    const write = { accountId: 'a', expectedRevision: 0, record: '{}' }
    await writeAccountScript(redis, keyspace, write)
    await redis.hset(keyspace.apiKey('digest'), { revision: '7', record: '{"id":"key"}' })
    const poolVersion = String(await redis.hget(keyspace.pool, 'version'))
    const pool = { version: poolVersion, schema: '2', 'account:a': '1 {}' }
    const apiKey = { revision: '7', record: '{"id":"key"}' }
    const stale = async (plan: { poolVersion?: string; keyRevision?: string }) => {
      const reply = await admit('1', plan)
      return reply.kind === 'stale' ? [row(reply.pool), row(reply.apiKey)] : reply.kind
    }
    expect(await stale({})).toEqual([pool, apiKey])
    expect(await stale({ poolVersion })).toEqual([{}, apiKey])
    expect(await stale({ keyRevision: '7' })).toEqual([pool, {}])
    expect(await counters()).toEqual({})
    expect(await admit('1', { poolVersion, keyRevision: '7' })).toMatchObject({ kind: 'ok' })
  })

  it('counts the life of a key from its first use and denies it afterwards', async () => {
    const { admit, advance, nowMs, counters } = bench()
    const activatedAtMs = nowMs()
    await admit('one', { activationMs: 1_000 })
    advance(999)
    expect(await admit('two', { activationMs: 1_000 })).toMatchObject({ kind: 'ok' })
    advance(1)
    expect(await admit('three', { activationMs: 1_000 })).toEqual({
      kind: 'deny',
      cause: 'expired',
      reservedNanoUsd: 0,
      limit: 0,
      used: 0,
      resetMs: activatedAtMs + 1_000,
      nowMs: nowMs(),
    })
    expect(await counters()).toMatchObject({ activatedAtMs: String(activatedAtMs) })
  })

  it('denies the request that would exceed the concurrency limit, until one ends or expires', async () => {
    const { admit, settle, advance, nowMs } = bench()
    const limited = { limits: { concurrencyLimit: 2 } }
    await admit('one', limited)
    await admit('two', limited)
    expect(await admit('three', limited)).toEqual({
      kind: 'deny',
      cause: 'concurrency',
      reservedNanoUsd: 0,
      limit: 2,
      used: 2,
      resetMs: 0,
      nowMs: nowMs(),
    })
    await settle('one')
    expect(await admit('three', limited)).toMatchObject({ kind: 'ok' })
    advance(leaseMs)
    expect(await admit('four', limited)).toMatchObject({ kind: 'ok' })
  })

  it('denies the request that would exceed the window, until the window ends', async () => {
    const { admit, advance, nowMs } = bench()
    const limited = { windowMs: 60_000, limits: { rateLimitRequests: 2 } }
    const endsMs = nowMs() + 60_000
    await admit('one', limited)
    advance(59_000)
    await admit('two', limited)
    const denied = {
      kind: 'deny',
      cause: 'window',
      reservedNanoUsd: 0,
      limit: 2,
      used: 2,
      resetMs: endsMs,
    }
    expect(await admit('three', limited)).toEqual({ ...denied, nowMs: nowMs() })
    advance(1_000)
    expect(await admit('three', limited)).toMatchObject({ kind: 'ok' })
  })

  it('begins a new window when the present one ends later than its setting allows', async () => {
    const { admit } = bench()
    await admit('one', { windowMs: 600_000, limits: { rateLimitRequests: 1 } })
    const shorter = { windowMs: 60_000, limits: { rateLimitRequests: 1 } }
    expect(await admit('two', shorter)).toMatchObject({ kind: 'ok' })
    expect(await admit('three', shorter)).toMatchObject({ kind: 'deny', cause: 'window' })
  })

  it('answers none with the soonest recovery and the counts of accounts that cool down or are at capacity', async () => {
    const { admit, settle, nowMs, advance, counters } = bench()
    const candidates = accounts('a', 'b', { accountId: 'c', maxConcurrency: 1 })
    for (const [accountId, untilMs] of [
      ['a', nowMs() + 9_000],
      ['b', nowMs() + 5_000],
    ] as const) {
      await admit(accountId, { candidates: accounts(accountId), reservationNanoUsd: 0 })
      await settle(accountId, { accountId, verdict: failed({ untilMs }) })
    }
    await admit('c', { candidates: accounts('c') })
    const soonestMs = nowMs() + 5_000
    advance(10)
    const kinds = { limited: 0, overloaded: 2, refused: 0 }
    const counts = { cooling: 2, ...kinds, probing: 0, atCapacity: 1, overQuota: 0 }
    const skipped = [
      { accountId: 'a', why: 'overloaded', untilMs: soonestMs + 4_000 },
      { accountId: 'b', why: 'overloaded', untilMs: soonestMs },
      { accountId: 'c', why: 'at_capacity', untilMs: 0 },
    ]
    const none = {
      kind: 'none',
      soonestMs,
      ...counts,
      nowMs: nowMs(),
      skipped,
      isRequired: false,
    }
    expect(await admit('one', { candidates })).toEqual(none)
    expect(await counters()).toMatchObject({ heldNanoUsd: '100', windowRequests: '3' })
    const nothing = {
      soonestMs: 0,
      cooling: 0,
      limited: 0,
      overloaded: 0,
      refused: 0,
      probing: 0,
      atCapacity: 0,
      overQuota: 0,
      isRequired: false,
    }
    const empty = { kind: 'none', ...nothing, skipped: [], nowMs: nowMs() }
    expect(await admit('two', { candidates: [] })).toEqual(empty)
  })

  it('frees expired leases first, and hands their orphans to an admitted caller only', async () => {
    const { admit, advance, inflight } = bench()
    const capped = { candidates: accounts({ accountId: 'a', maxConcurrency: 1 }) }
    await admit('one', capped)
    advance(leaseMs)
    expect(await admit('two', { candidates: [] })).toMatchObject({ kind: 'none' })
    expect(await admit('three', capped)).toMatchObject({
      kind: 'ok',
      orphans: ['one|claude-console|key|a|1|100|opus|opus'],
    })
    expect(await inflight()).toEqual({ a: 1 })
    expect(await admit('four')).toMatchObject({ orphans: [] })
  })
})
