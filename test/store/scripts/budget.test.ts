/** The contract of budgets: what is spent stops, what is held waits, and periods roll over. */
import { expect, it } from 'vitest'
import { packSums } from '../../../src/store/records/sums.ts'
import { describeOnStores, leaseMs, noLimits } from './setup.ts'

const limits = (given: Partial<typeof noLimits>) => ({ limits: { ...noLimits, ...given } })
const periods = (day: string, week: string) => ({
  periods: { day: `day:${day}`, week: `week:${week}` },
})
const monday = periods('2026-11-23', '2026-11-23')
const tuesday = periods('2026-11-24', '2026-11-23')
const nextMonday = periods('2026-11-30', '2026-11-30')
const on = (period: typeof monday) => ({
  buckets: period.periods,
})

describeOnStores('budgets', (bench) => {
  it('stop for good once they are spent, and name what is spent', async () => {
    const { admit, settle } = bench()
    const total = limits({ totalCostLimit: 100 })
    await admit('one', total)
    await settle('one', { costNanoUsd: 130 })
    expect(await admit('two', total)).toMatchObject({
      kind: 'deny',
      cause: 'total_cost',
      limit: 100,
      used: 130,
      reservedNanoUsd: 0,
    })
  })

  it('hold back a request that others in flight may leave nothing for, but never all of them', async () => {
    const { admit, settle } = bench()
    const total = { ...limits({ totalCostLimit: 250 }), reservationNanoUsd: 100 }
    expect(await admit('one', { ...total, reservationNanoUsd: 900 })).toMatchObject({ kind: 'ok' })
    expect(await admit('two', total)).toMatchObject({
      kind: 'deny',
      cause: 'total_cost',
      used: 0,
      reservedNanoUsd: 900,
    })
    await settle('one', { costNanoUsd: 40 })
    expect(await admit('two', total)).toMatchObject({ kind: 'ok' })
    expect(await admit('three', total)).toMatchObject({ kind: 'ok' })
    expect(await admit('four', total)).toMatchObject({ kind: 'deny', reservedNanoUsd: 200 })
  })

  it('by the day begin anew with the next one, and a clock that is behind changes nothing', async () => {
    const { admit, settle, counters } = bench()
    const daily = limits({ dailyCostLimit: 50 })
    await admit('one', { ...daily, ...monday })
    await settle('one', { costNanoUsd: 60, ...on(monday) })
    expect(await admit('two', { ...daily, ...monday })).toMatchObject({ cause: 'daily_cost' })
    expect(await admit('two', { ...daily, ...tuesday })).toMatchObject({ kind: 'ok' })
    await settle('two', { costNanoUsd: 55, ...on(tuesday) })
    expect(await admit('three', { ...daily, ...monday })).toMatchObject({ used: 55 })
    expect(await counters()).toMatchObject({ day: tuesday.periods.day, daySpentNanoUsd: '55' })
  })

  it('by the day are not frozen by a clock that is far ahead', async () => {
    const { admit, settle } = bench()
    const daily = limits({ dailyCostLimit: 50 })
    const far = periods('2028-01-01', '2027-12-27')
    await admit('one', { ...daily, ...far })
    await settle('one', { costNanoUsd: 60, ...on(far) })
    expect(await admit('two', { ...daily, ...monday })).toMatchObject({ kind: 'ok' })
    await settle('two', { costNanoUsd: 60, ...on(monday) })
    expect(await admit('three', { ...daily, ...monday })).toMatchObject({ used: 60 })
  })

  it('for Opus count Opus models only, by the week', async () => {
    const { admit, settle } = bench()
    const weekly = limits({ weeklyOpusCostLimit: 50 })
    const opus = { ...weekly, ...monday, model: 'claude-opus-9' }
    await admit('one', { ...weekly, ...monday, model: 'claude-sonnet-9' })
    await settle('one', { costNanoUsd: 500, model: 'claude-sonnet-9', ...on(monday) })
    await admit('two', opus)
    await settle('two', { costNanoUsd: 50, model: 'claude-opus-9', ...on(monday) })
    expect(await admit('three', opus)).toMatchObject({ cause: 'weekly_opus_cost', used: 50 })
    const sonnet = { ...opus, model: 'claude-sonnet-9' }
    expect(await admit('four', sonnet)).toMatchObject({ kind: 'ok' })
    expect(await admit('five', { ...opus, ...nextMonday })).toMatchObject({ kind: 'ok' })
  })

  it('of a window end with it', async () => {
    const { admit, settle, advance, nowMs } = bench()
    const window = { ...limits({ rateLimitCost: 30 }), windowMs: 1_000 }
    await admit('one', window)
    const resetMs = nowMs() + 1_000
    await settle('one', { costNanoUsd: 30 })
    expect(await admit('two', window)).toMatchObject({ cause: 'window_cost', used: 30, resetMs })
    advance(1_001)
    expect(await admit('two', window)).toMatchObject({ kind: 'ok' })
  })

  it('take an orphan back from the periods it was charged in, when the receipt comes', async () => {
    const { admit, settle, advance, counters } = bench()
    await admit('one', monday)
    advance(leaseMs + 1)
    const member = 'one|claude-console|key|a|1|100|opus|opus'
    const amounts = packSums({ requests: 1, costNanoUsd: 100 })
    await settle('one', { kind: 'orphan', member, costNanoUsd: 100, amounts, ...on(monday) })
    expect(await counters()).toMatchObject({ daySpentNanoUsd: '100', spentNanoUsd: '100' })
    await settle('one', { costNanoUsd: 7, ...on(tuesday) })
    expect(await counters()).toMatchObject({
      spentNanoUsd: '7',
      day: tuesday.periods.day,
      daySpentNanoUsd: '7',
      weekOpusSpentNanoUsd: '7',
      heldNanoUsd: '0',
      heldOpusNanoUsd: '0',
    })
  })

  it('take an orphan back from the day that a clock which is ahead had opened', async () => {
    const { admit, settle, advance, counters } = bench()
    await admit('one', monday)
    await admit('two', tuesday)
    await settle('two', { costNanoUsd: 41, ...on(tuesday) })
    advance(leaseMs + 1)
    const member = 'one|claude-console|key|a|1|100|opus|opus'
    const amounts = packSums({ requests: 1, costNanoUsd: 100 })
    await settle('one', { kind: 'orphan', member, costNanoUsd: 100, amounts, ...on(monday) })
    expect(await counters()).toMatchObject({ day: tuesday.periods.day, daySpentNanoUsd: '141' })
    await settle('one', { kind: 'void' })
    expect(await counters()).toMatchObject({ daySpentNanoUsd: '41', weekOpusSpentNanoUsd: '41' })
  })

  it('take nothing from a window that is not the one an orphan was charged to', async () => {
    const { admit, settle, advance, counters } = bench()
    const window = { windowMs: leaseMs * 3, ...limits({ rateLimitCost: 1_000 }) }
    await admit('one', window)
    advance(leaseMs + 1)
    const member = 'one|claude-console|key|a|1|100|opus|opus'
    const amounts = packSums({ requests: 1, costNanoUsd: 100 })
    await settle('one', { kind: 'orphan', member, costNanoUsd: 100, amounts })
    advance(leaseMs * 3)
    await admit('two', window)
    await settle('two', { costNanoUsd: 80 })
    await settle('one', { kind: 'void' })
    expect(await counters()).toMatchObject({ windowCostNanoUsd: '80' })
  })

  it('are never overshot by parallel requests beyond the cost of one', async () => {
    const { admit } = bench()
    const total = { ...limits({ totalCostLimit: 1_000 }), reservationNanoUsd: 100 }
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) => admit(`request ${index}`, total)),
    )
    expect(replies.filter((reply) => reply.kind === 'ok')).toHaveLength(10)
  })
})
