/** The contract of daily quotas: what an account may cost from one reset to the next. */
import { expect, it } from 'vitest'
import { packSums } from '../../../src/store/records/sums.ts'
import { accounts, describeOnStores, leaseMs } from './setup.ts'

const monday = '2026-11-23'
const tuesday = '2026-11-24'
const quotaEndsMs = 4_000_000_000_000
const within = (quotaNanoUsd: number, quotaDay = monday) => ({
  candidates: accounts({ accountId: 'a', quotaNanoUsd, quotaDay, quotaEndsMs }),
})

describeOnStores('the daily quota of an account', (bench) => {
  it('takes it out of the choice once it is spent, until its day ends', async () => {
    const { admit, settle } = bench()
    await admit('one', within(100))
    await settle('one', { costNanoUsd: 100, quotaDay: monday })
    expect(await admit('two', within(100))).toMatchObject({
      kind: 'none',
      overQuota: 1,
      cooling: 0,
      soonestMs: quotaEndsMs,
      skipped: [{ accountId: 'a', why: 'over_quota', untilMs: quotaEndsMs }],
    })
    expect(await admit('three', within(100, tuesday))).toMatchObject({ kind: 'ok' })
  })

  it('leaves the others to serve', async () => {
    const { admit, settle } = bench()
    await admit('one', within(100))
    await settle('one', { costNanoUsd: 100, quotaDay: monday })
    const [spent] = within(100).candidates
    const candidates = [...accounts({ accountId: 'b', priority: 90 }), ...(spent ? [spent] : [])]
    expect(await admit('two', { candidates })).toMatchObject({
      accountId: 'b',
      skipped: [{ accountId: 'a', why: 'over_quota' }],
    })
  })

  it('counts what requests in flight have reserved, and never keeps all of them out', async () => {
    const { admit, settle, load } = bench()
    const first = await admit('one', { ...within(250), reservationNanoUsd: 900 })
    expect(first).toMatchObject({ kind: 'ok' })
    expect(await admit('two', within(250))).toMatchObject({
      kind: 'none',
      atCapacity: 1,
      overQuota: 0,
    })
    await settle('one', { costNanoUsd: 40, quotaDay: monday })
    expect(await admit('two', within(250))).toMatchObject({ kind: 'ok' })
    expect(await admit('three', within(250))).toMatchObject({ kind: 'ok' })
    expect(await admit('four', within(250))).toMatchObject({ kind: 'none', atCapacity: 1 })
    expect(await load('a')).toMatchObject({
      inflight: 2,
      reservedNanoUsd: 200,
      day: monday,
      spentNanoUsd: 40,
    })
  })

  it('is kept by a hundred parallel requests of many keys', async () => {
    const { admit } = bench()
    const ids = Array.from({ length: 100 }, (_, i) => `request-${i}`)
    const replies = await Promise.all(
      ids.map((ledgerId, i) => admit(ledgerId, { ...within(1_000), keyId: `key-${i % 7}` })),
    )
    expect(replies.filter(({ kind }) => kind === 'ok')).toHaveLength(10)
  })

  it('moves with a request to the next account', async () => {
    const { admit, reassign, load } = bench()
    await admit('one', within(1_000))
    await reassign('one')
    expect(await load('a')).toMatchObject({ inflight: 0, reservedNanoUsd: 0 })
    expect(await load('b')).toMatchObject({ inflight: 1, reservedNanoUsd: 100 })
    const tight = accounts({ accountId: 'b', quotaNanoUsd: 150, quotaDay: monday, quotaEndsMs })
    await admit('three', { candidates: accounts('c') })
    const refused = await reassign('three', { candidates: tight })
    expect(refused).toMatchObject({ kind: 'none', atCapacity: 1 })
  })

  it('charges a request to the day in which it ends, and a clock that is behind opens no day again', async () => {
    const { admit, settle, load } = bench()
    await admit('one', within(1_000))
    await admit('two', within(1_000))
    await settle('one', { costNanoUsd: 70, quotaDay: tuesday })
    expect(await load('a')).toMatchObject({ day: tuesday, spentNanoUsd: 70 })
    await settle('two', { costNanoUsd: 5, quotaDay: monday })
    expect(await load('a')).toMatchObject({ day: tuesday, spentNanoUsd: 75 })
    expect(await admit('three', within(75))).toMatchObject({ kind: 'none', overQuota: 1 })
  })

  it('keeps the reservation of a request that vanished until that is charged', async () => {
    const { admit, settle, advance, sweep, load } = bench()
    await admit('one', within(150))
    advance(leaseMs + 1)
    const [member = ''] = await sweep()
    expect(await load('a')).toMatchObject({ inflight: 0, reservedNanoUsd: 100 })
    expect(await admit('two', within(150))).toMatchObject({ kind: 'none', atCapacity: 1 })
    await settle('one', { kind: 'orphan', member, costNanoUsd: 100, quotaDay: monday })
    expect(await load('a')).toMatchObject({ reservedNanoUsd: 0, spentNanoUsd: 100 })
    expect(await admit('three', within(150))).toMatchObject({ kind: 'ok' })
  })

  it('takes an orphan back when its receipt comes', async () => {
    const { admit, settle, advance, load } = bench()
    await admit('one', within(1_000))
    advance(leaseMs + 1)
    const member = 'one|claude-console|key|a|1|100|opus|opus'
    const amounts = packSums({ requests: 1, costNanoUsd: 100 })
    const orphan = { kind: 'orphan', member, costNanoUsd: 100, amounts } as const
    await settle('one', { ...orphan, quotaDay: monday })
    expect(await load('a')).toMatchObject({ inflight: 0, reservedNanoUsd: 0, spentNanoUsd: 100 })
    await settle('one', { costNanoUsd: 7, quotaDay: monday })
    expect(await load('a')).toMatchObject({ spentNanoUsd: 7 })
  })
})
