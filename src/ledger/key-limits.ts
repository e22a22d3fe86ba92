/** The limits of one key in use: what each allows, what is used of it, and when that begins anew. */
import type { ApiKey } from '../catalog/api-key.ts'
import {
  type AdmittedUse,
  costLimits,
  keyLimits,
  type LimitField,
  type LimitPeriod,
  type PerLimit,
  perLimit,
} from '../domain/limits.ts'
import { toNanoUsdLimit } from '../money.ts'
import { bucketsAt, periodEndMs } from './calendar.ts'

const minuteMs = 60_000

/** Milliseconds of the key's window; 0 = no limit of the key counts by window. */
export function windowMs(apiKey: ApiKey): number {
  const isUsed = keyLimits.some(({ period, field }) => period === 'window' && apiKey[field] > 0)
  return isUsed ? apiKey.rateLimitWindow * minuteMs : 0
}

/** Whether anything limits what the key may cost. */
export const hasCostLimit = (apiKey: ApiKey): boolean =>
  keyLimits.some(({ field, unit }) => unit === 'usd' && limitValues(apiKey)[field] > 0)

type LimitValues = PerLimit<number>

/** The record of a key never changes: an edit makes another one. */
const known = new WeakMap<ApiKey, LimitValues>()

/** The limits as the scripts compare them: requests, or nano-USD for a cost; 0 = none. */
export function limitValues(apiKey: ApiKey): LimitValues {
  const remembered = known.get(apiKey)
  if (remembered) return remembered
  const values = computeLimits(apiKey)
  known.set(apiKey, values)
  return values
}

function computeLimits(apiKey: ApiKey): LimitValues {
  return perLimit(({ field, unit, period }) => {
    if (period === 'window' && windowMs(apiKey) === 0) return 0
    return unit === 'usd' ? toNanoUsdLimit(apiKey[field]) : apiKey[field]
  })
}

/** What the store counts of a key. */
export interface LimitCounters {
  /** The fields of the key's counters; absent ones are empty. */
  field(name: string): string
  inFlight: number
}

export interface LimitUse {
  field: LimitField
  unit: 'requests' | 'usd'
  /** Requests, or nano-USD for a cost. */
  limit: number
  used: number
  /** Milliseconds since the epoch; undefined when it does not reset by time, or its window has not begun. */
  resetMs: number | undefined
}

/** The limits of a key that count a request, as its admission saw them; those of requests in flight change too fast. */
export function admittedUses(
  apiKey: ApiKey,
  { windowRequests, windowEndsMs, spent }: AdmittedUse,
  nowMs: number,
  timeZone: string,
): LimitUse[] {
  const values = limitValues(apiKey)
  if (spent.length === 0 && values.rateLimitRequests === 0) return []
  const costs = new Map(costLimits.map(({ field }, i) => [field, spent[i] ?? '']))
  return keyLimits.flatMap(({ field, unit, period }): LimitUse[] => {
    const limit = values[field]
    if (limit === 0 || period === 'in_flight') return []
    const text = unit === 'usd' ? costs.get(field) : String(windowRequests)
    if (!text) return []
    const resetMs =
      period === 'total'
        ? undefined
        : period === 'window'
          ? windowEndsMs
          : periodEndMs(period, nowMs, timeZone)
    return [{ field, unit, limit, used: Number(text), resetMs }]
  })
}

/** The limits of a key that are set, in the order of their table. */
export function limitUses(
  apiKey: ApiKey,
  counters: LimitCounters,
  nowMs: number,
  timeZone: string,
): LimitUse[] {
  const values = limitValues(apiKey)
  const state = periodStates(apiKey, counters, nowMs, timeZone)
  return keyLimits.flatMap((limit) => {
    const { field, unit, period } = limit
    if (values[field] === 0) return []
    const { isOpen, resetMs } = state(period)
    const spentField = 'spentField' in limit ? limit.spentField : 'windowRequests'
    const counted = isOpen ? Number(counters.field(spentField)) : 0
    const used = period === 'in_flight' ? counters.inFlight : counted
    return [{ field, unit, limit: values[field], used, resetMs }]
  })
}

/** Whether what was counted in a period still counts, and when that ends. */
function periodStates(
  apiKey: ApiKey,
  { field }: LimitCounters,
  nowMs: number,
  timeZone: string,
): (period: LimitPeriod) => { isOpen: boolean; resetMs: number | undefined } {
  const buckets = bucketsAt(nowMs, timeZone)
  return (period) => {
    if (period === 'in_flight' || period === 'total') return { isOpen: true, resetMs: undefined }
    if (period !== 'window') {
      // A later period than this clock's was opened by a clock that is ahead.
      const isOpen = field(period) >= buckets[period]
      return { isOpen, resetMs: periodEndMs(period, nowMs, timeZone) }
    }
    const endsMs = Number(field('windowEndsMs'))
    // A window that ends later than a fresh one would is left from a longer setting.
    const isOpen = endsMs > nowMs && endsMs <= nowMs + windowMs(apiKey)
    return { isOpen, resetMs: isOpen ? endsMs : undefined }
  }
}
