/** The limits of one key: what is used of each, what is left, and when it resets. */
import { z } from '@hono/zod-openapi'
import type { ApiKey } from '../../catalog/api-key.ts'
import { toIso } from '../../dates.ts'
import type { Gateway } from '../../gateway.ts'
import { bucketsAt, periodEndMs } from '../../ledger/calendar.ts'
import { unpackSums } from '../../ledger/ledger.ts'
import { toNanoUsd, toUsd } from '../../money.ts'
import { type KeyStats, toConsumption } from '../keys/stats.ts'

/** One limit of a key that is set. */
export const Limit = z
  .object({
    name: z.enum([
      'concurrencyLimit',
      'rateLimitRequests',
      'rateLimitCost',
      'dailyCostLimit',
      'weeklyOpusCostLimit',
      'totalCostLimit',
    ]),
    unit: z.enum(['requests', 'usd']),
    limit: z.number(),
    used: z.number(),
    left: z.number(),
    resetAt: z.string().nullable().openapi({
      description: 'null: it does not reset by time, or its window has not begun',
    }),
  })
  .openapi('OwnLimit')
export type Limit = z.infer<typeof Limit>

/** What the store counts of a key. */
export interface Counters {
  /** The fields of the key's hash; absent ones are empty. */
  field(name: string): string
  inFlight: number
  usage: KeyStats
}

/** Reads everything that is counted of a key in one round trip. */
export async function readCounters(
  { runtime, keyspace }: Gateway,
  { id }: ApiKey,
): Promise<Counters> {
  const { redis, config } = runtime
  const nowMs = runtime.now()
  const { day, month } = bucketsAt(nowMs, config.TIMEZONE)
  const [rows, inFlight, sums] = (await redis
    .pipeline()
    .hgetall(keyspace.keyCounters(id))
    .zcount(keyspace.keyLeases(id), `(${nowMs}`, '+inf')
    .hmget(keyspace.books.key(id), 'total', day, month)
    .exec()) as unknown as [string[] | null, number, (string | null)[] | null]
  const fields = new Map<string, string>()
  for (let i = 0; i + 1 < (rows?.length ?? 0); i += 2)
    fields.set(rows?.[i] ?? '', rows?.[i + 1] ?? '')
  const [total, daily, monthly] = [0, 1, 2].map((i) => toConsumption(unpackSums(sums?.[i])))
  const none = toConsumption(unpackSums(undefined))
  return {
    field: (name) => fields.get(name) ?? '',
    inFlight: Number(inFlight),
    usage: { total: total ?? none, daily: daily ?? none, monthly: monthly ?? none },
  }
}

/** The limits of a key that are set, in the order of their names here. */
export function limitsOf(
  apiKey: ApiKey,
  { field, inFlight }: Counters,
  nowMs: number,
  timeZone: string,
): Limit[] {
  const periods = bucketsAt(nowMs, timeZone)
  const windowEndsMs = Number(field('windowEndsMs'))
  // A window that ends later than a fresh one would is left from a longer setting.
  const isOpen = windowEndsMs > nowMs && windowEndsMs <= nowMs + apiKey.rateLimitWindow * 60_000
  const usd = (name: string) => toUsd(Number(field(name)))
  const inPeriod = (period: 'day' | 'week', spent: string) =>
    field(period) >= periods[period] ? usd(spent) : 0
  const window = isOpen ? windowEndsMs : undefined
  const hasWindow = apiKey.rateLimitWindow > 0
  const limit = (name: Limit['name'], used: number, resetMs?: number, isSet = true): Limit[] =>
    isSet && apiKey[name] > 0 ? [limitOf(name, apiKey[name], used, resetMs)] : []
  const requests = isOpen ? Number(field('windowRequests')) : 0
  const windowCost = isOpen ? usd('windowCostNanoUsd') : 0
  return [
    ...limit('concurrencyLimit', inFlight),
    ...limit('rateLimitRequests', requests, window, hasWindow),
    ...limit('rateLimitCost', windowCost, window, hasWindow),
    ...limit(
      'dailyCostLimit',
      inPeriod('day', 'daySpentNanoUsd'),
      periodEndMs('day', nowMs, timeZone),
    ),
    ...limit(
      'weeklyOpusCostLimit',
      inPeriod('week', 'weekOpusSpentNanoUsd'),
      periodEndMs('week', nowMs, timeZone),
    ),
    ...limit('totalCostLimit', usd('spentNanoUsd')),
  ]
}

function limitOf(
  name: Limit['name'],
  limit: number,
  used: number,
  resetMs: number | undefined,
): Limit {
  const unit = name === 'concurrencyLimit' || name === 'rateLimitRequests' ? 'requests' : 'usd'
  // In whole nano-USD, as a difference of fractions is not exact.
  const left = Math.max(0, toUsd(toNanoUsd(limit) - toNanoUsd(used)))
  return { name, unit, limit, used, left, resetAt: toIso(resetMs) }
}
