/** The books: packed sums per scope and bucket, how they are named, written and read. */

import type { Redis } from '@upstash/redis'
import type { Buckets } from '../domain/buckets.ts'
import type { Usage } from '../domain/usage.ts'

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
  /** How often a session was moved to another account than the one that served it before. */
  sessionMoves: number
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
  'sessionMoves',
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
