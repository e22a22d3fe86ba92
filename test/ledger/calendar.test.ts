/** The contract of the calendar: buckets, ends of periods, and days that begin at a time of one's own. */
import { describe, expect, it } from 'vitest'
import { bucketsAt, periodEndMs, quotaDayAt } from '../../src/ledger/calendar.ts'

describe('the buckets of a charge', () => {
  it('follow the calendar of the configured zone', () => {
    const at = Date.parse('2026-12-31T23:30:00Z')
    expect(bucketsAt(at, 'UTC')).toMatchObject({
      hourId: '2026-12-31T23+0000',
      day: 'day:2026-12-31',
      month: 'month:2026-12',
    })
    expect(bucketsAt(at, 'Europe/Berlin')).toMatchObject({
      hourId: '2027-01-01T00+0100',
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

  it.each([
    ['2026-11-22T10:07:31Z', 'UTC', '2026-11-22T10+0000', '10:00', '11:00'],
    ['2026-11-22T10:07:31Z', 'Asia/Kathmandu', '2026-11-22T15+0545', '09:15', '10:15'],
    ['2026-11-22T10:07:31Z', 'America/St_Johns', '2026-11-22T06-0330', '09:30', '10:30'],
    // Clocks go back at 03:00: the hour from two comes twice.
    ['2026-10-25T00:59:00Z', 'Europe/Berlin', '2026-10-25T02+0200', '00:00', '01:00'],
    ['2026-10-25T01:00:00Z', 'Europe/Berlin', '2026-10-25T02+0100', '01:00', '02:00'],
    ['2026-03-29T01:00:00Z', 'Europe/Berlin', '2026-03-29T03+0200', '01:00', '02:00'],
    // By half an hour, in the middle of an hour: from 02:00 to 01:30.
    ['2026-04-04T14:59:00Z', 'Australia/Lord_Howe', '2026-04-05T01+1100', '14:00', '15:00'],
    ['2026-04-04T15:00:00Z', 'Australia/Lord_Howe', '2026-04-05T01+1030', '15:00', '15:30'],
  ])('the hour of %s in %s is %s, from %s to %s', (at, zone, hourId, starts, ends) => {
    const buckets = bucketsAt(Date.parse(at), zone)
    const time = (ms: number) => new Date(ms).toISOString().slice(11, 16)
    const { hourStartsMs, hourEndsMs } = buckets
    expect([buckets.hourId, time(hourStartsMs), time(hourEndsMs)]).toEqual([hourId, starts, ends])
  })
})

describe('the quota day of an account', () => {
  const at = (time: string, zone: string, resetTime: string) => {
    const { day, endsMs } = quotaDayAt(Date.parse(time), zone, resetTime)
    return [day, new Date(endsMs).toISOString()]
  }

  it.each([
    ['2026-11-22T10:07:31Z', 'UTC', '00:00', '2026-11-22T00:00Z', '2026-11-23T00:00:00.000Z'],
    ['2026-11-22T08:29:59Z', 'UTC', '08:30', '2026-11-21T08:30Z', '2026-11-22T08:30:00.000Z'],
    ['2026-11-22T08:30:00Z', 'UTC', '08:30', '2026-11-22T08:30Z', '2026-11-23T08:30:00.000Z'],
    ['2026-11-22T23:59:59Z', 'UTC', '23:59', '2026-11-22T23:59Z', '2026-11-23T23:59:00.000Z'],
    [
      '2026-11-22T10:07:00Z',
      'Asia/Kathmandu',
      '16:01',
      '2026-11-21T10:16Z',
      '2026-11-22T10:16:00.000Z',
    ],
    [
      '2026-12-31T23:30:00Z',
      'Europe/Berlin',
      '00:10',
      '2026-12-31T23:10Z',
      '2027-01-01T23:10:00.000Z',
    ],
  ])('of %s in %s, reset at %s, began at %s and ends at %s', (time, zone, resetTime, day, end) => {
    expect(at(time, zone, resetTime)).toEqual([day, end])
  })

  it('has 25 hours when clocks go back, and begins once', () => {
    const whole = ['2026-10-24T22:00Z', '2026-10-25T23:00:00.000Z']
    expect(at('2026-10-24T22:30:00Z', 'Europe/Berlin', '00:00')).toEqual(whole)
    // 02:30 comes twice: the day that began with the first lasts through the second.
    const once = ['2026-10-25T00:30Z', '2026-10-26T01:30:00.000Z']
    expect(at('2026-10-25T00:45:00Z', 'Europe/Berlin', '02:30')).toEqual(once)
  })

  it('begins at the next time there is when clocks skip its reset', () => {
    const skipped = ['2026-03-28T01:30Z', '2026-03-29T01:00:00.000Z']
    expect(at('2026-03-28T12:00:00Z', 'Europe/Berlin', '02:30')).toEqual(skipped)
  })

  it('is another one, later or earlier, when the reset is moved', () => {
    const nine = '2026-11-22T09:00:00Z'
    expect(at(nine, 'UTC', '00:00')[0]).toBe('2026-11-22T00:00Z')
    expect(at(nine, 'UTC', '12:00')[0]).toBe('2026-11-21T12:00Z')
    expect(at('2026-11-22T12:01:00Z', 'UTC', '12:00')[0]).toBe('2026-11-22T12:00Z')
  })
})
