/** The contract of the choice among accounts: affinity, order, health. */
import { expect, it } from 'vitest'
import type { Candidate } from '../../../src/store/scripts/admit.ts'
import { accounts, type Bench, describeOnStores, failed, leaseMs, platform } from './setup.ts'

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

  it('prefers the account that served the session, whatever its priority and load', async () => {
    const { admit, redis, keyspace } = bench()
    const sessionKey = 'session'
    await admit('one', { sessionKey, candidates: accounts('b') })
    const candidates = accounts({ accountId: 'a', priority: 1 }, 'b')
    expect(await admit('two', { sessionKey, candidates })).toMatchObject({ accountId: 'b' })
    expect(await admit('other', { candidates })).toMatchObject({ accountId: 'a' })
    const sticky = keyspace.sticky(platform, 'key', sessionKey)
    expect(await redis.get(sticky)).toBe('b')
    expect(await redis.pttl(sticky)).toBeGreaterThan(14 * 24 * 60 * 60 * 1_000)
  })

  it('leaves a session account that cools or is full, and remembers the next one', async () => {
    const { admit, settle } = bench()
    const sessionKey = 'session'
    const candidates = accounts({ accountId: 'a', maxConcurrency: 1 }, 'b')
    await admit('one', { sessionKey, candidates })
    expect(await admit('two', { sessionKey, candidates })).toMatchObject({ accountId: 'b' })
    await settle('one')
    expect(await admit('three', { sessionKey, candidates })).toMatchObject({ accountId: 'b' })
    await settle('three', { accountId: 'b', verdict: undefined })
    const fourth = await admit('four', { candidates: accounts('b') })
    expect(fourth).toMatchObject({ accountId: 'b' })
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

  it('keeps within the cap of an account until its leases end', async () => {
    const { admit, advance } = bench()
    const candidates = accounts({ accountId: 'a', maxConcurrency: 2 })
    await admit('one', { candidates })
    await admit('two', { candidates })
    expect(await admit('three', { candidates })).toMatchObject({ kind: 'none', full: 1 })
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
