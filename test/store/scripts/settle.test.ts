/** The contract of `settle`: each request ends once, and is charged once. */
import { expect, it } from 'vitest'
import { keySumCount } from '../../../src/domain/sums.ts'
import { bucketsAt } from '../../../src/ledger/calendar.ts'
import { ttl } from '../../../src/store/keyspace.ts'
import { packSums } from '../../../src/store/records/sums.ts'
import { type Bench, describeOnStores, failed, leaseMs } from './setup.ts'

const cost = (costNanoUsd: number) => packSums({ requests: 1, costNanoUsd })
/** The counters of a key keep the first of the sums only. */
const ofKey = (packed: string) => packed.split(':').slice(0, keySumCount).join(':')
const nothing = packSums({})
const member = 'one|claude-console|key|a|1|100|opus|opus'
const orphan = {
  kind: 'orphan',
  member,
  costNanoUsd: 100,
  amounts: packSums({ requests: 1, costNanoUsd: 100, orphanedRequests: 1 }),
} as const

describeOnStores('settle', (bench) => {
  it('releases the lease and the reservation, and books one row and the sums of its key', async () => {
    const { admit, settle, inflight, counters, hash, keyspace, request, nowMs } = bench()
    await admit('one')
    expect(await settle('one', { client: 'codex' })).toBe('charged')
    expect(await inflight()).toEqual({ a: 0 })
    const { hourId, hourEndsMs, day, month } = bucketsAt(nowMs(), 'UTC')
    expect(await counters()).toMatchObject({
      heldNanoUsd: '0',
      spentNanoUsd: '40',
      totalSums: ofKey(cost(40)),
      daySums: `${day}|${ofKey(cost(40))}`,
      monthSums: `${month}|${ofKey(cost(40))}`,
    })
    const row = 'key|a|codex||opus'
    expect(await hash(keyspace.usage.openHour(hourId))).toEqual({ '.': hourId, [row]: cost(40) })
    const open = await bench().redis.zscore(keyspace.usage.openHours, hourId)
    expect(Number(open)).toBe(hourEndsMs)
    expect(await request('one')).toMatchObject({ state: 'settled', account: 'a', cost: '40', row })
  })

  it('is booked in the hour of the store, and says so where its caller names another', async () => {
    const { admit, settleFully, settle, nowMs, usageByHour, counters } = bench()
    await admit('one')
    const before = await counters()
    for (const hours of [-1, 1]) {
      const buckets = bucketsAt(nowMs() + hours * 60 * 60 * 1_000, 'UTC')
      expect(await settleFully('one', { buckets })).toMatchObject({
        kind: 'otherHour',
        nowMs: nowMs(),
      })
    }
    expect([await usageByHour(), await counters()]).toEqual([{}, before])
    expect(await settle('one')).toBe('charged')
    expect(await usageByHour()).toEqual({ [bucketsAt(nowMs(), 'UTC').hourId]: cost(40) })
  })

  it('answers duplicate to every further end, and changes nothing', async () => {
    const { admit, settle, counters, health } = bench()
    await admit('one')
    await settle('one')
    const before = await counters()
    expect(await settle('one', { costNanoUsd: 7, verdict: failed() })).toBe('duplicate')
    expect(await settle('one', { kind: 'void' })).toBe('duplicate')
    expect(await settle('one', orphan)).toBe('duplicate')
    expect([await counters(), await health()]).toEqual([before, {}])
  })

  it('voids: releases, charges nothing, and leaves a mark that refuses a late admission', async () => {
    const { admit, settle, counters, inflight, usageBy } = bench()
    await admit('one')
    expect(await settle('one', { kind: 'void' })).toBe('voided')
    expect(await settle('one')).toBe('duplicate')
    expect(await settle('two', { kind: 'void', accountId: '' })).toBe('voided')
    expect(await admit('two')).toEqual({ kind: 'gone' })
    expect([await inflight(), await usageBy('key')]).toEqual([{ a: 0 }, {}])
    expect((await counters()).heldNanoUsd).toBe('0')
  })

  it('ends a request without a reservation as any other', async () => {
    const { admit, settle, counters, advance, sweep } = bench()
    await admit('one', { reservationNanoUsd: 0 })
    expect(await settle('one')).toBe('charged')
    await admit('two', { reservationNanoUsd: 0 })
    advance(leaseMs)
    const free = { kind: 'orphan', amounts: cost(0), costNanoUsd: 0 } as const
    for (const lost of await sweep())
      expect(await settle('two', { ...free, member: lost })).toBe('charged')
    expect(await settle('two')).toBe('charged')
    expect(await counters()).toMatchObject({ heldNanoUsd: '0', spentNanoUsd: '80' })
  })

  it('charges an orphan with its reservation, once', async () => {
    const { settle, counters, request } = await orphaned(bench())
    expect(await settle('one', orphan)).toBe('charged')
    expect(await settle('one', orphan)).toBe('duplicate')
    expect(await counters()).toMatchObject({ heldNanoUsd: '0', spentNanoUsd: '100' })
    expect(await request('one')).toMatchObject({ state: 'orphaned', cost: '100' })
  })

  it('replaces an orphan by the settlement that arrives after all, and takes it back by an entry of now', async () => {
    const { settle, counters, usageByHour, nowMs, advance, rollUp } = await orphaned(bench())
    const before = bucketsAt(nowMs(), 'UTC').hourId
    await settle('one', orphan)
    advance(60 * 60 * 1_000)
    await rollUp()
    const after = bucketsAt(nowMs(), 'UTC').hourId
    expect(await settle('one')).toBe('charged')
    expect(await settle('one')).toBe('duplicate')
    expect(await counters()).toMatchObject({
      heldNanoUsd: '0',
      spentNanoUsd: '40',
      totalSums: ofKey(cost(40)),
    })
    expect(await usageByHour()).toEqual({
      [before]: orphan.amounts,
      [after]: packSums({ costNanoUsd: -60, orphanedRequests: -1 }),
    })
  })

  it('takes an orphan back from the account, model and client it was charged under', async () => {
    const { settle, usageBy, request, counters } = await orphaned(bench())
    await settle('one', orphan)
    const elsewhere = { accountId: 'b', model: 'haiku', client: 'codex' }
    expect(await settle('one', elsewhere)).toBe('charged')
    expect(await usageBy('account')).toEqual({ b: cost(40) })
    expect(await usageBy('model')).toEqual({ haiku: cost(40) })
    expect(await usageBy('client')).toEqual({ codex: cost(40) })
    expect(await usageBy('key')).toEqual({ key: cost(40) })
    expect(await request('one')).toMatchObject({ account: 'b', model: 'haiku' })
    expect((await counters()).spentNanoUsd).toBe('40')
  })

  it('takes an orphan back that an older gateway has booked, which noted no row', async () => {
    const { settle, usageBy, redis, keyspace } = await orphaned(bench())
    await settle('one', orphan)
    await redis.hdel(keyspace.request('one'), 'row')
    expect(await settle('one', { client: 'codex' })).toBe('charged')
    expect(await usageBy('client')).toEqual({ codex: cost(40) })
  })

  it('takes an orphan back from the other models, and names the model asked for', async () => {
    const { settle, usageBy, request } = await orphaned(bench())
    await settle('one', { ...orphan, ledgerModel: 'other' })
    expect(await request('one')).toMatchObject({ model: 'opus', ledgerModel: 'other' })
    expect(await usageBy('model')).toEqual({ other: orphan.amounts })
    expect(await settle('one', { costNanoUsd: 7, amounts: cost(7) })).toBe('charged')
    expect(await usageBy('model')).toEqual({ opus: cost(7) })
  })

  it('takes an orphan back when its request turns out never to have been sent', async () => {
    const { settle, usageBy, counters } = await orphaned(bench())
    await settle('one', orphan)
    expect(await settle('one', { kind: 'void', accountId: '' })).toBe('voided')
    expect(await usageBy('account')).toEqual({})
    expect(await counters()).toMatchObject({ spentNanoUsd: '0', totalSums: ofKey(nothing) })
  })

  it('books further rows once, charged or not, and their cost to the day of their account', async () => {
    const { admit, settle, usageBy, counters, load } = bench()
    const amounts = packSums({ inputTokens: 9, costNanoUsd: 5, attempts: 1 })
    const failed = { keyId: '', client: 'codex', model: 'opus', amounts, costNanoUsd: 5 }
    const rows = ['b', 'b', 'c'].map((accountId) => {
      return { ...failed, accountId, quotaDay: '2026-11-22' }
    })
    await admit('one')
    for (const kind of ['charged', 'duplicate']) expect(await settle('one', { rows })).toBe(kind)
    await admit('two')
    for (const kind of ['voided', 'duplicate']) {
      expect(await settle('two', { kind: 'void', rows })).toBe(kind)
    }
    const four = packSums({ inputTokens: 36, costNanoUsd: 20, attempts: 4 })
    const two = packSums({ inputTokens: 18, costNanoUsd: 10, attempts: 2 })
    expect(await usageBy('account')).toEqual({ a: cost(40), b: four, c: two })
    expect((await usageBy('key')).key).toEqual(cost(40))
    expect((await counters()).totalSums).toEqual(ofKey(cost(40)))
    expect([(await load('b')).spentNanoUsd, (await load('c')).spentNanoUsd]).toEqual([20, 10])
  })

  it('forgets the orphan when the settlement comes before anybody charged it', async () => {
    const { settle, advance, sweep, counters } = await orphaned(bench())
    expect(await settle('one')).toBe('charged')
    expect(await settle('one', orphan)).toBe('duplicate')
    advance(ttl.orphanClaimMs)
    expect(await sweep()).toEqual([])
    expect(await counters()).toMatchObject({ heldNanoUsd: '0', spentNanoUsd: '40' })
  })

  it('ends the reservation of an orphan whose marker has expired, and charges it once', async () => {
    const { settle, redis, keyspace, counters } = await orphaned(bench())
    await redis.del(keyspace.request('one'))
    expect(await settle('one', orphan)).toBe('charged')
    await redis.del(keyspace.request('one'))
    expect(await settle('one', orphan)).toBe('duplicate')
    expect(await counters()).toMatchObject({ heldNanoUsd: '0', spentNanoUsd: '100' })
    expect(await redis.zcard(keyspace.keyLeases('key'))).toBe(0)
  })

  it('keeps money exact far beyond the digits of a printed float', async () => {
    const { settle, counters, usageBy } = bench()
    const large = 4_000_000_000_000_001
    await settle('one', { costNanoUsd: large })
    await settle('two', { costNanoUsd: large })
    expect((await counters()).spentNanoUsd).toBe(String(2 * large))
    const total = packSums({ requests: 2, costNanoUsd: 2 * large })
    expect((await counters()).totalSums).toBe(ofKey(total))
    expect(await usageBy('key')).toEqual({ key: total })
  })
})

/** A bench whose request `one` has lost its lease and waits to be charged. */
async function orphaned(bench: Bench): Promise<Bench> {
  await bench.admit('one')
  bench.advance(leaseMs)
  expect(await bench.sweep()).toEqual([member])
  return bench
}
