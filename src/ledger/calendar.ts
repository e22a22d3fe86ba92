/** The calendar of the configured time zone: buckets of the usage ledger, ends of periods, days of quotas. */
import type { Buckets, QuotaDay } from '../domain/buckets.ts'

/** Every zone is a whole number of quarter hours away from UTC, so buckets change only then. */
const quarterHourMs = 15 * 60_000
const minuteMs = 60_000
let latest: { quarter: number; timeZone: string; buckets: Buckets } | undefined

/** The buckets that a charge made at `atMs` belongs to, as the calendar of `timeZone` has them. */
export function bucketsAt(atMs: number, timeZone: string): Buckets {
  const quarter = Math.floor(atMs / quarterHourMs)
  if (latest?.quarter !== quarter || latest.timeZone !== timeZone) {
    latest = { quarter, timeZone, buckets: computeBuckets(atMs, timeZone) }
  }
  return latest.buckets
}

function computeBuckets(atMs: number, timeZone: string): Buckets {
  const stamp = calendar(timeZone, { minute: '2-digit' })
  const quarter = Math.floor(atMs / quarterHourMs)
  const hourAt = (of: number) => hourIdOf(stamp(of * quarterHourMs), of)
  const hourId = hourAt(quarter)
  let first = quarter
  while (hourAt(first - 1) === hourId) first--
  let next = quarter + 1
  while (hourAt(next) === hourId) next++
  const date = hourId.slice(0, 10)
  return {
    hourId,
    hourStartsMs: first * quarterHourMs,
    hourEndsMs: next * quarterHourMs,
    day: `day:${date}`,
    month: `month:${date.slice(0, 7)}`,
    week: `week:${mondayOf(date)}`,
    timeZone,
  }
}

/** @param stamp the local time at the beginning of a quarter of an hour. */
function hourIdOf(stamp: string, quarter: number): string {
  const offsetMinutes = (Date.parse(`${stamp}:00Z`) - quarter * quarterHourMs) / minuteMs
  const digits = (number: number) => String(Math.floor(number)).padStart(2, '0')
  const size = Math.abs(offsetMinutes)
  const offset = `${offsetMinutes < 0 ? '-' : '+'}${digits(size / 60)}${digits(size % 60)}`
  return `${stamp.slice(0, 13)}${offset}`
}

/** The Monday of the week that a calendar date belongs to (ISO 8601 weeks). */
function mondayOf(date: string): string {
  const day = new Date(`${date}T00:00:00Z`)
  const daysSinceMonday = (day.getUTCDay() + 6) % 7
  return new Date(day.getTime() - daysSinceMonday * 86_400_000).toISOString().slice(0, 10)
}

const ends = new Map<string, { fromMs: number; endMs: number }>()

/** The moment at which the day or week of `atMs` ends in `timeZone`, to the quarter of an hour. */
export function periodEndMs(period: 'day' | 'week', atMs: number, timeZone: string): number {
  const name = `${period} ${timeZone}`
  const known = ends.get(name)
  if (known && known.fromMs <= atMs && atMs < known.endMs) return known.endMs
  const endMs = computePeriodEndMs(period, atMs, timeZone)
  ends.set(name, { fromMs: atMs, endMs })
  return endMs
}

function computePeriodEndMs(period: 'day' | 'week', atMs: number, timeZone: string): number {
  const stamp = calendar(timeZone)
  const nameAt = (ms: number) => {
    const date = stamp(ms).slice(0, 10)
    return period === 'day' ? date : mondayOf(date)
  }
  const name = nameAt(atMs)
  let endMs = (Math.floor(atMs / quarterHourMs) + 1) * quarterHourMs
  while (nameAt(endMs) === name) endMs += quarterHourMs
  return endMs
}

/** Formats instants as `2026-11-22T13`, or finer, in a time zone. */
function calendar(
  timeZone: string,
  finer: Intl.DateTimeFormatOptions = {},
): (atMs: number) => string {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
    ...finer,
  })
  return (atMs) => format.format(atMs).replace(' ', 'T')
}

const quotaDays = new Map<string, QuotaDay & { fromMs: number }>()

/**
 * The quota day that `atMs` belongs to.
 * @param resetTime `HH:mm` in `timeZone`. A time that a change of clocks skips is the next one there is.
 */
export function quotaDayAt(atMs: number, timeZone: string, resetTime: string): QuotaDay {
  const name = `${timeZone} ${resetTime}`
  const known = quotaDays.get(name)
  if (known && known.fromMs <= atMs && atMs < known.endsMs) return known
  const stamp = calendar(timeZone, { minute: '2-digit' })
  const dateOf = (ms: number) => {
    const now = stamp(ms)
    return now.slice(11) >= resetTime ? now.slice(0, 10) : dayBefore(now.slice(0, 10))
  }
  const date = dateOf(atMs)
  // Where clocks go back, a time comes twice: the day that began with the first lasts.
  const fromMs = borderBefore(atMs, (ms) => dateOf(ms) < date)
  const endsMs = borderAfter(atMs, (ms) => dateOf(ms) > date)
  const found = { day: `${new Date(fromMs).toISOString().slice(0, 16)}Z`, fromMs, endsMs }
  quotaDays.set(name, found)
  return found
}

/** The first minute after `atMs` that is in the next day. */
function borderAfter(atMs: number, isNext: (ms: number) => boolean): number {
  let ms = Math.floor(atMs / quarterHourMs) * quarterHourMs + quarterHourMs
  while (!isNext(ms)) ms += quarterHourMs
  while (ms - minuteMs > atMs && isNext(ms - minuteMs)) ms -= minuteMs
  return ms
}

/** The minute, not after `atMs`, with which its day began: the one after the last of the day before. */
function borderBefore(atMs: number, isBefore: (ms: number) => boolean): number {
  let ms = Math.floor(atMs / quarterHourMs) * quarterHourMs
  while (!isBefore(ms)) ms -= quarterHourMs
  while (ms + minuteMs <= atMs && isBefore(ms)) ms += minuteMs
  return ms
}

function dayBefore(date: string): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) - 86_400_000).toISOString().slice(0, 10)
}
