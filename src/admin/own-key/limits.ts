/** The limits of a key as its holder sees them. */
import { z } from '@hono/zod-openapi'
import type { ApiKey } from '../../catalog/api-key.ts'
import { toIso } from '../../dates.ts'
import { keyLimits } from '../../domain/limits.ts'
import type { Gateway } from '../../gateway.ts'
import { bucketsAt } from '../../ledger/calendar.ts'
import { type LimitCounters, limitUses } from '../../ledger/key-limits.ts'
import { keySums } from '../../ledger/ledger.ts'
import { toUsd } from '../../money.ts'
import { toFields } from '../../store/rows.ts'
import { type KeyStats, toKeyStats } from '../keys/stats.ts'

/** One limit of a key that is set. */
export const Limit = z
  .object({
    name: z.enum(keyLimits.map(({ field }) => field)),
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

/** What the store counts of a key, and what it has consumed. */
export interface Counters extends LimitCounters {
  usage: KeyStats
}

/** Reads everything that is counted of a key in one round trip. */
export async function readCounters(
  { runtime, keyspace }: Gateway,
  { id }: ApiKey,
): Promise<Counters> {
  const { redis, config } = runtime
  const nowMs = runtime.now()
  const [rows, inFlight] = (await redis
    .pipeline()
    .hgetall(keyspace.keyCounters(id))
    .zcount(keyspace.keyLeases(id), `(${nowMs}`, '+inf')
    .exec()) as unknown as [string[] | null, number]
  const fields = toFields(rows ?? [])
  const field = (name: string) => fields.get(name) ?? ''
  return {
    field,
    inFlight: Number(inFlight),
    usage: toKeyStats(keySums(field, bucketsAt(nowMs, config.TIMEZONE))),
  }
}

/** The limits of a key that are set, in the units of the API. */
export function limitsOf(
  apiKey: ApiKey,
  counters: LimitCounters,
  nowMs: number,
  timeZone: string,
): Limit[] {
  return limitUses(apiKey, counters, nowMs, timeZone).map(
    ({ field, unit, limit, used, resetMs }) => {
      const shown = (amount: number) => (unit === 'usd' ? toUsd(amount) : amount)
      const left = Math.max(0, limit - used)
      const amounts = { limit: shown(limit), used: shown(used), left: shown(left) }
      return { name: field, unit, ...amounts, resetAt: toIso(resetMs) }
    },
  )
}
