import { describe, expect, it } from 'vitest'
import {
  bucketsAt,
  orphanedSums,
  packSums,
  periodEndMs,
  settledSums,
  unpackSums,
} from '../../src/ledger/ledger.ts'
import { noUsage } from '../../src/ledger/usage.ts'

describe('the buckets of a charge', () => {
  it('follow the calendar of the configured zone', () => {
    const at = Date.parse('2026-12-31T23:30:00Z')
    expect(bucketsAt(at, 'UTC')).toMatchObject({
      hour: 'hour:2026-12-31T23',
      day: 'day:2026-12-31',
      month: 'month:2026-12',
    })
    expect(bucketsAt(at, 'Europe/Berlin')).toMatchObject({
      hour: 'hour:2027-01-01T00',
      day: 'day:2027-01-01',
      month: 'month:2027-01',
    })
  })

  it.each([
    ['2026-11-22T23:59:00Z', 'UTC', 'week:2026-11-16'],
    ['2026-11-23T00:00:00Z', 'UTC', 'week:2026-11-23'],
    ['2026-11-22T23:30:00Z', 'Europe/Berlin', 'week:2026-11-23'],
    ['2027-01-01T12:00:00Z', 'UTC', 'week:2026-12-28'],
  ])('%s in %s belongs to %s', (at, zone, week) => {
    expect(bucketsAt(Date.parse(at), zone).week).toBe(week)
  })

  it.each([
    ['day', '2026-11-22T10:07:00Z', 'UTC', '2026-11-23T00:00:00.000Z'],
    ['day', '2026-11-22T10:07:00Z', 'Asia/Kathmandu', '2026-11-22T18:15:00.000Z'],
    // Clocks go back at 03:00: a day of 25 hours.
    ['day', '2026-10-25T00:00:00Z', 'Europe/Berlin', '2026-10-25T23:00:00.000Z'],
    ['week', '2026-11-22T10:07:00Z', 'UTC', '2026-11-23T00:00:00.000Z'],
    ['week', '2026-11-23T00:00:00Z', 'UTC', '2026-11-30T00:00:00.000Z'],
  ] as const)('the %s of %s in %s ends at %s', (period, at, zone, end) => {
    expect(new Date(periodEndMs(period, Date.parse(at), zone)).toISOString()).toBe(end)
  })

  it('name what is old enough to be pruned, in an order that text compares', () => {
    const { hourPruneBefore, dayPruneBefore } = bucketsAt(Date.parse('2026-11-22T12:00:00Z'), 'UTC')
    expect(hourPruneBefore).toBe('hour:2026-10-18T12')
    expect(dayPruneBefore).toBe('day:2025-10-18')
  })
})

describe('packed sums', () => {
  const usage = { ...noUsage, inputTokens: 1, outputTokens: 2, cacheReadTokens: 3 }

  it('come back as they went in', () => {
    const sums = settledSums(usage, { costNanoUsd: 9_007_199_254_740_991 }, true)
    expect(unpackSums(packSums(sums))).toMatchObject(sums)
  })

  it('read absent text and fields that an older text lacks as zero', () => {
    expect(unpackSums(null)).toEqual(unpackSums(packSums({})))
    expect(unpackSums('4:5')).toMatchObject({ requests: 4, inputTokens: 5, unpricedRequests: 0 })
  })

  it('flag a request without a price, and one that nobody settled', () => {
    expect(settledSums(usage, 'unpriced', false)).toMatchObject({
      costNanoUsd: 0,
      unpricedRequests: 1,
    })
    expect(orphanedSums(5)).toMatchObject({
      requests: 1,
      costNanoUsd: 5,
      orphanedRequests: 1,
      orphanedCostNanoUsd: 5,
    })
  })
})
