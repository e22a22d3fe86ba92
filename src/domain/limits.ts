/** The limits of a gateway key: one table that schema, scripts, refusals, `/me` and the documentation read. */

/** What a limit counts, and when that begins anew. */
export type LimitPeriod = 'in_flight' | 'window' | 'day' | 'week' | 'total'

export interface KeyLimit {
  /** The field of the key; 0 = no limit. */
  field: string
  unit: 'requests' | 'usd'
  period: LimitPeriod
  /** The family of models whose cost counts; undefined = every model. */
  family?: 'opus'
  /** What the scripts and the log call a refusal for it. */
  cause: string
  /** As a refusal names it. */
  name: string
  /** As the documentation describes the field. */
  description: string
  /** The largest value. */
  max: number
  /** Where the counters of a key keep what was spent of it; for limits in USD. */
  spentField?: string
}

const usd = { unit: 'usd', max: 1_000_000 } as const

/**
 * Every limit. When several are reached at once, the answer names the last of them in this table: those that
 * last longest come last. To add one, add its row; a new calendar period is added to `budgetPeriods`.
 */
export const keyLimits = [
  {
    field: 'concurrencyLimit',
    unit: 'requests',
    period: 'in_flight',
    cause: 'concurrency',
    name: 'limit of requests in flight',
    description: 'Requests in flight at most, others wait for their turn; 0 = no limit',
    max: 100_000,
  },
  {
    field: 'rateLimitRequests',
    unit: 'requests',
    period: 'window',
    cause: 'window',
    name: 'limit of requests in this window',
    description: 'Requests per window; 0 = no limit',
    max: 1_000_000_000,
  },
  {
    ...usd,
    field: 'rateLimitCost',
    spentField: 'windowCostNanoUsd',
    period: 'window',
    cause: 'window_cost',
    name: 'limit for this window',
    description: 'USD per window; 0 = no limit',
  },
  {
    ...usd,
    field: 'dailyCostLimit',
    spentField: 'daySpentNanoUsd',
    period: 'day',
    cause: 'daily_cost',
    name: 'daily limit',
    description: 'USD per calendar day; 0 = no limit',
  },
  {
    ...usd,
    field: 'weeklyOpusCostLimit',
    spentField: 'weekOpusSpentNanoUsd',
    period: 'week',
    family: 'opus',
    cause: 'weekly_opus_cost',
    name: 'weekly limit for Opus models',
    description: 'USD per week from Monday, on Opus models; 0 = no limit',
  },
  {
    ...usd,
    field: 'totalCostLimit',
    spentField: 'spentNanoUsd',
    period: 'total',
    cause: 'total_cost',
    name: 'total limit',
    description: 'USD over the life of the key; 0 = no limit',
  },
] as const satisfies readonly KeyLimit[]

export type LimitField = (typeof keyLimits)[number]['field']
export type LimitCause = (typeof keyLimits)[number]['cause']

/** Those that bound a cost. */
export const costLimits = keyLimits.filter((limit) => limit.unit === 'usd')

/**
 * Periods that a charge remembers to have counted in, in the order of their packed text in the marker
 * of a request; append only.
 */
export const budgetPeriods = ['day', 'week', 'window'] as const

/** The periods that the calendar ends; their names in `Buckets` are the same. */
export const calendarPeriods = ['day', 'week'] as const
export type CalendarPeriod = (typeof calendarPeriods)[number]

/** A value for each limit. */
export type PerLimit<Value> = Record<LimitField, Value>

/** What an admission saw of its key, its own request included. */
export interface AdmittedUse {
  windowRequests: number
  windowEndsMs: number
  /** Nano-USD of each cost limit in their order; empty for one that is not set, or does not count this request. */
  spent: readonly string[]
}

/** Makes a record with a value for each limit. */
export function perLimit<Value>(
  make: (limit: (typeof keyLimits)[number]) => Value,
): PerLimit<Value> {
  const entries = keyLimits.map((limit) => [limit.field, make(limit)] as const)
  return Object.fromEntries(entries) as PerLimit<Value>
}
