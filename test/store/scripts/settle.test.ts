/** The contract of `settle`: each request ends once, and is charged once. */
import { expect, it } from 'vitest'
import { bucketsAt } from '../../../src/ledger/calendar.ts'
import { ttl } from '../../../src/store/keyspace.ts'
import { packSums } from '../../../src/store/records/sums.ts'
import { type Bench, describeOnStores, failed, leaseMs } from './setup.ts'

const cost = (costNanoUsd: number) => packSums({ requests: 1, costNanoUsd })
const nothing = packSums({})
const member = 'one|claude-console|key|a|1|100|opus|opus'
const orphan = {
  kind: 'orphan',
  member,
  costNanoUsd: 100,
  amounts: packSums({ requests: 1, costNanoUsd: 100, orphanedRequests: 1 }),
} as const

describeOnStores('settle', (bench) => {
  it('releases the lease and the reservation, and charges every scope in every bucket', async () => {
    const { admit, settle, inflight, counters, hash, keyspace, request } = bench()
    await admit('one')
    expect(await settle('one')).toBe('charged')
    expect(await inflight()).toEqual({ a: 0 })
    expect(await counters()).toMatchObject({ heldNanoUsd: '0', spentNanoUsd: '40' })
    const { key, account, model, keyModel } = keyspace.ledger
    const now = bucketsAt(bench().nowMs(), 'UTC')
    const row = {
      total: cost(40),
      [now.hour]: cost(40),
      [now.day]: cost(40),
      [now.month]: cost(40),
    }
    for (const name of [key('key'), account('a'), model('opus'), keyModel('key', 'opus')])
      expect(await hash(name)).toEqual(row)
    expect(await request('one')).toMatchObject({ state: 'settled', account: 'a', cost: '40' })
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
    const { admit, settle, counters, inflight, hash, keyspace } = bench()
    await admit('one')
    expect(await settle('one', { kind: 'void' })).toBe('voided')
    expect(await settle('one')).toBe('duplicate')
    expect(await settle('two', { kind: 'void', accountId: '' })).toBe('voided')
    expect(await admit('two')).toEqual({ kind: 'gone' })
    expect([await inflight(), await hash(keyspace.ledger.key('key'))]).toEqual([{ a: 0 }, {}])
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

  it('replaces an orphan by the settlement that arrives after all, in the hours of each', async () => {
    const { settle, counters, hash, keyspace, nowMs, advance } = await orphaned(bench())
    const before = bucketsAt(nowMs(), 'UTC')
    await settle('one', orphan)
    advance(60 * 60 * 1_000)
    const after = bucketsAt(nowMs(), 'UTC')
    expect(await settle('one')).toBe('charged')
    expect(await settle('one')).toBe('duplicate')
    expect(await counters()).toMatchObject({ heldNanoUsd: '0', spentNanoUsd: '40' })
    expect(await hash(keyspace.ledger.keyModel('key', 'opus'))).toEqual({
      total: cost(40),
      [before.hour]: nothing,
      [after.hour]: cost(40),
      [after.day]: cost(40),
      [after.month]: cost(40),
    })
  })

  it('takes an orphan back from the account and model it was charged under', async () => {
    const { settle, hash, keyspace, request, counters } = await orphaned(bench())
    await settle('one', orphan)
    expect(await settle('one', { accountId: 'b', model: 'haiku' })).toBe('charged')
    const { account, model, key } = keyspace.ledger
    const total = async (name: string) => (await hash(name)).total
    expect(await total(account('a'))).toBe(nothing)
    expect(await total(model('opus'))).toBe(nothing)
    expect(await total(account('b'))).toBe(cost(40))
    expect(await total(model('haiku'))).toBe(cost(40))
    expect(await total(key('key'))).toBe(cost(40))
    expect(await request('one')).toMatchObject({ account: 'b', model: 'haiku' })
    expect((await counters()).spentNanoUsd).toBe('40')
  })

  it('takes an orphan back from the ledger of other models, and names the model asked for', async () => {
    const { settle, hash, keyspace, request } = await orphaned(bench())
    await settle('one', { ...orphan, ledgerModel: 'other' })
    expect(await request('one')).toMatchObject({ model: 'opus', ledgerModel: 'other' })
    expect(await hash(keyspace.ledger.model('opus'))).toEqual({})
    expect(await settle('one', { costNanoUsd: 7, amounts: cost(7) })).toBe('charged')
    expect((await hash(keyspace.ledger.keyModel('key', 'other'))).total).toBe(nothing)
    expect((await hash(keyspace.ledger.model('opus'))).total).toBe(cost(7))
  })

  it('takes an orphan back when its request turns out never to have been sent', async () => {
    const { settle, hash, keyspace, counters } = await orphaned(bench())
    await settle('one', orphan)
    expect(await settle('one', { kind: 'void', accountId: '' })).toBe('voided')
    expect((await hash(keyspace.ledger.account('a'))).total).toBe(nothing)
    expect((await counters()).spentNanoUsd).toBe('0')
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

  it('prunes old hours and days when a new day begins, and keeps months and the total', async () => {
    const { settle, advance, hash, keyspace, nowMs } = bench()
    const name = keyspace.ledger.key('key')
    const days = (count: number) => advance(count * 24 * 60 * 60 * 1_000)
    const first = bucketsAt(nowMs(), 'UTC')
    await settle('one')
    days(36)
    await settle('two')
    const withoutHour = Object.keys(await hash(name))
    expect(withoutHour).not.toContain(first.hour)
    expect(withoutHour).toEqual(expect.arrayContaining([first.day, first.month]))
    days(370)
    await settle('three')
    const withoutDay = Object.keys(await hash(name))
    expect(withoutDay).not.toContain(first.day)
    expect(withoutDay).toEqual(expect.arrayContaining([first.month, 'total']))
    expect((await hash(name)).total).toBe(packSums({ requests: 3, costNanoUsd: 120 }))
  })

  it('keeps money exact far beyond the digits of a printed float', async () => {
    const { settle, counters, hash, keyspace } = bench()
    const large = 4_000_000_000_000_001
    await settle('one', { costNanoUsd: large })
    await settle('two', { costNanoUsd: large })
    expect((await counters()).spentNanoUsd).toBe(String(2 * large))
    const total = packSums({ requests: 2, costNanoUsd: 2 * large })
    expect((await hash(keyspace.ledger.key('key'))).total).toBe(total)
  })
})

/** A bench whose request `one` has lost its lease and waits to be charged. */
async function orphaned(bench: Bench): Promise<Bench> {
  await bench.admit('one')
  bench.advance(leaseMs)
  expect(await bench.sweep()).toEqual([member])
  return bench
}
