/** The contract of the choice among accounts: affinity, order, health. */

import { expect, it } from 'vitest'
import type { Candidate } from '../../../src/domain/candidate.ts'
import { accounts, type Bench, describeOnStores, failed, leaseMs, poolId } from './setup.ts'

describeOnStores('the choice of an account', (bench) => {
  it('takes the lowest priority number, then the fewest in flight', async () => {
    const candidates = accounts(
      'a',
      { accountId: 'b', priority: 10 },
      { accountId: 'c', priority: 10 },
    )
    expect(await picks(bench(), 4, candidates)).toEqual(['b', 'c', 'b', 'c'])
  })

  it('takes the least recently picked among equals, whatever each key may choose from', async () => {
    const { admit, settle } = bench()
    const pick = async (ledgerId: string, ...ids: string[]) => {
      const reply = await admit(ledgerId, { candidates: accounts(...ids) })
      await settle(ledgerId, { kind: 'void' })
      return reply.kind === 'ok' ? reply.accountId : reply.kind
    }
    expect(await pick('1', 'a', 'b', 'c')).toBe('a')
    expect(await pick('2', 'a', 'b')).toBe('b')
    expect(await pick('3', 'b', 'c')).toBe('c')
    expect(await pick('4', 'b', 'c')).toBe('b')
    expect(await pick('5', 'a', 'b', 'c')).toBe('a')
  })

  it('passes a cooling account by, up to and including its last millisecond', async () => {
    const { admit, settle, nowMs, advance } = bench()
    await admit('one')
    const untilMs = nowMs() + 2_000
    await settle('one', { verdict: failed({ untilMs }) })
    advance(1_999)
    const candidates = accounts({ accountId: 'a', priority: 1 }, 'b')
    expect(await admit('two', { candidates })).toMatchObject({ accountId: 'b' })
    advance(1)
    expect(await admit('three', { candidates })).toMatchObject({ accountId: 'a' })
  })

  it('lets exactly one of many concurrent requests try an account whose cooldown ended', async () => {
    const { admit, settle, advance, nowMs } = bench()
    await admit('failing')
    await settle('failing', { verdict: failed() })
    advance(1_000)
    const probeEndsMs = nowMs() + 3_000
    const ids = Array.from({ length: 20 }, (_, i) => `probe-${i}`)
    const replies = await Promise.all(ids.map((ledgerId) => admit(ledgerId)))
    expect(replies.filter(({ kind }) => kind === 'ok')).toHaveLength(1)
    const none = { kind: 'none', cooling: 1, soonestMs: probeEndsMs }
    expect(replies.find(({ kind }) => kind !== 'ok')).toMatchObject(none)
    advance(3_000)
    expect(await admit('next probe')).toMatchObject({ kind: 'ok' })
  })

  it('admits everybody again once the probe succeeds', async () => {
    const { admit, settle, advance, health } = bench()
    await admit('failing')
    await settle('failing', { verdict: failed() })
    advance(1_000)
    await admit('probe')
    expect(await admit('early')).toMatchObject({ kind: 'none' })
    await settle('probe', { verdict: 'success' })
    expect(await health()).toEqual({})
    expect(await admit('later')).toMatchObject({ kind: 'ok' })
  })

  it('lets one family of models rest and the others serve', async () => {
    const { admit, settle } = bench()
    const of = (family: string) => ({ candidates: accounts({ accountId: 'a', family }) })
    await admit('one', of('opus'))
    await settle('one', { verdict: failed({ scope: 'family' }), family: 'opus' })
    expect(await admit('two', of('opus'))).toMatchObject({ kind: 'none', cooling: 1 })
    expect(await admit('three', of('haiku'))).toMatchObject({ kind: 'ok', isProbe: false })
    await settle('three', { verdict: 'success', family: 'haiku' })
    expect(await admit('four', of('opus'))).toMatchObject({ kind: 'none' })
  })

  it('lets every family rest when the whole account does, and one probe find out for all', async () => {
    const { admit, settle, advance, health } = bench()
    const of = (family: string) => ({ candidates: accounts({ accountId: 'a', family }) })
    await admit('one', of('opus'))
    await settle('one', { verdict: failed(), family: 'opus' })
    expect(await admit('two', of('haiku'))).toMatchObject({ kind: 'none' })
    advance(1_000)
    expect(await admit('three', of('haiku'))).toMatchObject({ kind: 'ok', isProbe: true })
    expect(await admit('four', of('opus'))).toMatchObject({ kind: 'none' })
    await settle('three', { verdict: 'success', family: 'haiku' })
    expect(await health()).toEqual({})
  })

  it('gives the claim of a probe back that ended without a word of its account', async () => {
    const { admit, settle, advance } = bench()
    await admit('failing')
    await settle('failing', { verdict: failed() })
    advance(1_000)
    await admit('left')
    expect(await admit('beside')).toMatchObject({ kind: 'none', probing: 1 })
    await settle('left', { kind: 'void', verdict: undefined })
    expect(await admit('next')).toMatchObject({ kind: 'ok', isProbe: true })
    expect(await admit('beside the next')).toMatchObject({ kind: 'none', probing: 1 })
  })

  it('gives the claim on the whole account back when its probe fails for the family only', async () => {
    const { admit, settle, reassign, advance, health, nowMs } = bench()
    const of = (family: string) => ({ candidates: accounts({ accountId: 'a', family }) })
    await admit('failing', of('opus'))
    await settle('failing', { verdict: failed(), family: 'opus' })
    const sinceMs = nowMs()
    advance(1_000)
    await admit('probe', of('opus'))
    advance(10)
    await reassign('probe', { failure: failed({ scope: 'family' }), candidates: [] })
    expect(await health()).toMatchObject({ a: `${nowMs()}|1|${sinceMs}|overloaded` })
    expect(await admit('other', of('haiku'))).toMatchObject({ kind: 'ok', isProbe: true })
    expect(await admit('same', of('opus'))).toMatchObject({ kind: 'none' })
  })

  it('lets others try after five seconds, but for an account that was silent', async () => {
    const { admit, settle, advance } = bench()
    const long = { probeMs: 30_000 }
    for (const [reason, claimMs] of [
      ['overloaded', 5_000],
      ['timeout', 30_000],
    ] as const) {
      const only = { ...long, candidates: accounts(reason) }
      await admit(`${reason} failing`, only)
      await settle(`${reason} failing`, { accountId: reason, verdict: failed({ reason }) })
      advance(1_000)
      expect(await admit(`${reason} probe`, only)).toMatchObject({ isProbe: true })
      advance(claimMs - 1)
      expect(await admit(`${reason} early`, only)).toMatchObject({ kind: 'none' })
      advance(1)
      expect(await admit(`${reason} next`, only)).toMatchObject({ kind: 'ok' })
    }
  })

  it('ends the rest of an account as soon as its probe begins to answer', async () => {
    const { admit, settle, recover, advance, health } = bench()
    await admit('failing')
    await settle('failing', { verdict: failed() })
    advance(1_000)
    await admit('probe')
    await recover('probe', 2)
    expect(await health()).toHaveProperty('a')
    await recover('probe')
    expect(await health()).toEqual({})
    await recover('never admitted')
  })

  it('lets the account that nobody can stand in for serve sooner than it would among others', async () => {
    const { admit, settle, reassign, advance, health, nowMs } = bench()
    const both = { candidates: accounts('a', { accountId: 'b', priority: 90 }) }
    await admit('failing', both)
    advance(10)
    const grown = failed({ cooldownMs: 15_000, maxCooldownMs: 60_000 })
    await reassign('failing', { failure: grown })
    const sinceMs = nowMs()
    const record = { a: `${sinceMs + 15_000}|1|${sinceMs}|overloaded` }
    await settle('failing', { accountId: 'b', verdict: 'success' })
    advance(499)
    expect(await admit('early')).toMatchObject({ kind: 'none', soonestMs: sinceMs + 500 })
    advance(1)
    expect(await admit('among others', both)).toMatchObject({
      accountId: 'b',
      skipped: [{ accountId: 'a', why: 'overloaded', untilMs: sinceMs + 15_000 }],
    })
    expect(await health()).toEqual(record)
    expect(await admit('alone')).toMatchObject({ accountId: 'a', isProbe: true, skipped: [] })
    expect(await admit('beside')).toMatchObject({ kind: 'none', probing: 1 })
  })

  it('tells that account by what is available, not by what was asked for', async () => {
    const { admit, settle, redis, keyspace, nowMs } = bench()
    const rest = (reason: string, failures: number, lengthMs: number) =>
      `${nowMs() - 5_000 + lengthMs}|${failures}|${nowMs() - 5_000}|${reason}`
    await redis.hset(keyspace.health(poolId), {
      a: rest('timeout', 9, 300_000),
      b: rest('account_refused', 1, 1_800_000),
      limited: rest('rate_limited', 9, 120_000),
    })
    const full = { accountId: 'full', maxConcurrency: 1 }
    await admit('full', { candidates: accounts(full) })
    const candidates = accounts('b', full, 'limited', 'a')
    expect(await admit('one', { candidates })).toMatchObject({ accountId: 'a', isProbe: true })
    const waiting = { kind: 'none', cooling: 3, probing: 1, refused: 1, atCapacity: 1 }
    expect(await admit('two', { candidates })).toMatchObject(waiting)
    await settle('full', { accountId: 'full' })
    expect(await admit('three', { candidates })).toMatchObject({ accountId: 'full' })
  })

  it('waits for the end that a vendor has named, whatever its length, and for a refused credential', async () => {
    const { admit, settle, advance, nowMs } = bench()
    for (const [accountId, reason, lengthMs, untilMs] of [
      ['limited', 'rate_limited', 1_000, 1_000],
      ['limited for minutes', 'rate_limited', 120_000, 120_000],
      ['overloaded', 'overloaded', 15_000, 15_000],
      ['refused', 'account_refused', 1_800_000, 0],
    ] as const) {
      const of = { candidates: accounts(accountId) }
      const grown = { cooldownMs: lengthMs, maxCooldownMs: lengthMs }
      const verdict = failed({ reason, ...grown, untilMs: untilMs && nowMs() + untilMs })
      await admit(`${accountId} one`, of)
      await settle(`${accountId} one`, { accountId, verdict })
      advance(lengthMs - 2)
      expect(await admit(`${accountId} two`, of)).toMatchObject({ kind: 'none' })
      advance(2)
      expect(await admit(`${accountId} three`, of)).toMatchObject({ kind: 'ok', isProbe: true })
    }
  })

  it('keeps within the cap of an account until its leases end', async () => {
    const { admit, advance } = bench()
    const candidates = accounts({ accountId: 'a', maxConcurrency: 2 })
    await admit('one', { candidates })
    await admit('two', { candidates })
    expect(await admit('three', { candidates })).toMatchObject({ kind: 'none', atCapacity: 1 })
    advance(leaseMs)
    expect(await admit('four', { candidates })).toMatchObject({ kind: 'ok' })
  })
})

async function picks({ admit }: Bench, count: number, candidates: Candidate[]) {
  const picked: string[] = []
  for (let i = 0; i < count; i++) {
    const reply = await admit(`pick-${i}`, { candidates })
    picked.push(reply.kind === 'ok' ? reply.accountId : reply.kind)
  }
  return picked
}
