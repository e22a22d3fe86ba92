/** The books: packed sums per scope and bucket, how they are named, written and read. */
import type { Redis } from '@upstash/redis'
import { ttl } from '../store/keyspace.ts'
import type { Buckets } from '../store/scripts/settle.ts'
import type { Usage } from './usage.ts'

/** What a book adds up, in the order of its packed text; append only, old text has fewer fields. */
export interface Sums {
  requests: number
  inputTokens: number
  outputTokens: number
  cacheWrite5mTokens: number
  cacheWrite1hTokens: number
  cacheReadTokens: number
  webSearchRequests: number
  costNanoUsd: number
  /** Requests whose unseen output was estimated. */
  estimatedRequests: number
  /** Requests whose process vanished: booked with their hold as the cost. */
  orphanedRequests: number
  orphanedCostNanoUsd: number
  /** Requests of a model without a known price: tokens counted, cost zero. */
  unpricedRequests: number
}

const fields = [
  'requests',
  'inputTokens',
  'outputTokens',
  'cacheWrite5mTokens',
  'cacheWrite1hTokens',
  'cacheReadTokens',
  'webSearchRequests',
  'costNanoUsd',
  'estimatedRequests',
  'orphanedRequests',
  'orphanedCostNanoUsd',
  'unpricedRequests',
] as const satisfies (keyof Sums)[]

/** The sums of one request as packed text. */
export function packSums(sums: Partial<Sums>): string {
  return fields.map((field) => sums[field] ?? 0).join(':')
}

/** Reads packed text; absent text and absent fields are zero. */
export function unpackSums(packed: string | null | undefined): Sums {
  const numbers = packed ? packed.split(':').map(Number) : []
  const entries = fields.map((field, index) => [field, numbers[index] ?? 0] as const)
  return Object.fromEntries(entries) as Record<(typeof fields)[number], number>
}

/** The sums of a request that was served. */
export function settledSums(
  usage: Usage,
  cost: { costNanoUsd: number } | 'unpriced',
  estimated: boolean,
): Partial<Sums> {
  return {
    requests: 1,
    ...usage,
    costNanoUsd: cost === 'unpriced' ? 0 : cost.costNanoUsd,
    estimatedRequests: estimated ? 1 : 0,
    unpricedRequests: cost === 'unpriced' ? 1 : 0,
  }
}

/** The sums of a request nobody settled: its hold stands for its cost. */
export function orphanedSums(holdNanoUsd: number): Partial<Sums> {
  return {
    requests: 1,
    costNanoUsd: holdNanoUsd,
    orphanedRequests: 1,
    orphanedCostNanoUsd: holdNanoUsd,
  }
}

/** Every zone is a whole number of quarter hours away from UTC, so buckets change only then. */
const quarterHourMs = 15 * 60_000
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
  const stamp = calendar(timeZone)
  const now = stamp(atMs)
  return {
    hour: `hour:${now}`,
    day: `day:${now.slice(0, 10)}`,
    month: `month:${now.slice(0, 7)}`,
    week: `week:${mondayOf(now.slice(0, 10))}`,
    hourPruneBefore: `hour:${stamp(atMs - ttl.hourBucketMs)}`,
    dayPruneBefore: `day:${stamp(atMs - ttl.dayBucketMs).slice(0, 10)}`,
  }
}

/** Reads a book's total and its current day and month in one round trip. */
export async function readBook(
  redis: Redis,
  book: string,
  buckets: Buckets,
): Promise<{ total: Sums; daily: Sums; monthly: Sums }> {
  const row = (await redis.hmget(book, 'total', buckets.day, buckets.month)) as unknown
  const [total, daily, monthly] = (row ?? []) as (string | null)[]
  return { total: unpackSums(total), daily: unpackSums(daily), monthly: unpackSums(monthly) }
}

/** The Monday of the week that a calendar date belongs to (ISO 8601 weeks). */
function mondayOf(date: string): string {
  const day = new Date(`${date}T00:00:00Z`)
  const daysSinceMonday = (day.getUTCDay() + 6) % 7
  return new Date(day.getTime() - daysSinceMonday * 86_400_000).toISOString().slice(0, 10)
}

/** The moment at which the day or week of `atMs` ends in `timeZone`, to the quarter of an hour. */
export function periodEndMs(period: 'day' | 'week', atMs: number, timeZone: string): number {
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

/** Formats instants as `2026-11-22T13` in a time zone. */
function calendar(timeZone: string): (atMs: number) => string {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
  })
  return (atMs) => format.format(atMs).replace(' ', 'T')
}

/** Whether a model is of the family that has a weekly budget of its own. */
export const isOpus = (model: string) => /opus/i.test(model)
