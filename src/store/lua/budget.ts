/** Lua: the budgets of a key, made from the table of limits: what is charged, and what is reserved. */
import {
  type CalendarPeriod,
  calendarPeriods,
  costLimits,
  keyLimits,
  type PerLimit,
} from '../../domain/limits.ts'

/** The limits as a script takes them: requests, or nano-USD for a cost. */
export const limitFields: PerLimit<'number'> = Object.fromEntries(
  keyLimits.map(({ field }) => [field, 'number' as const]),
) as PerLimit<'number'>

/** The names of the present calendar periods, as `bucketsAt` gives them. */
export const periodFields: Record<CalendarPeriod, 'text'> = Object.fromEntries(
  calendarPeriods.map((period) => [period, 'text' as const]),
) as Record<CalendarPeriod, 'text'>

/** A text as a Lua literal; nil for undefined. */
export const quote = (text: string | undefined) => (text === undefined ? 'nil' : `'${text}'`)

const budgetRows = costLimits.map((limit) => {
  const family = 'family' in limit ? limit.family : undefined
  const { field, cause, period, spentField } = limit
  return `{ field = ${quote(field)}, cause = ${quote(cause)}, period = ${quote(period)}, spentField = ${quote(spentField)}, family = ${quote(family)} }`
})

/** The fields of a key's counters that the budgets use, each once. */
export const counterFields = [
  ...new Set([
    'heldNanoUsd',
    'heldOpusNanoUsd',
    'activatedAtMs',
    'lastUsedAtMs',
    'windowEndsMs',
    'windowRequests',
    ...calendarPeriods,
    ...costLimits.map(({ spentField }) => spentField),
  ]),
]

/**
 * `counters`: the counters of the key as texts by name, after `readCounters(keys)`. `budgets` is the
 * table of limits, and `calendar` the periods that end by the calendar. Needs `periods`.
 */
export const counters = `
local budgets = { ${budgetRows.join(',\n  ')} }
local calendar = { ${calendarPeriods.map(quote).join(', ')} }
local counterFields = { ${counterFields.map(quote).join(', ')} }
local function readCounters(keys)
  local texts, counters = redis.call('HMGET', keys.counters, unpack(counterFields)), {}
  for i, field in ipairs(counterFields) do counters[field] = texts[i] or nil end
  return counters
end
local function numberIn(counters, field) return integer(counters[field]) or 0 end
`

/**
 * `spentOf(budget, counters, present, windowCost)` is what counts of a budget now, and
 * `refuseCost(…)` the refusal of a request whose reservation does not fit, or nil. A request is refused
 * for the reservations of others only while there are any, so one can always run. Needs `counters`.
 */
export const budget = `
local function spentOf(budget, counters, present, windowCost)
  if budget.period == 'window' then return windowCost end
  if budget.period == 'total' then return numberIn(counters, budget.spentField) end
  return inPeriod(counters[budget.period], present[budget.period], counters[budget.spentField])
end
local function refuseCost(budget, limit, spent, reserved, reservation, resetMs)
  if limit == 0 or (spent < limit and (reserved == 0 or spent + reserved + reservation <= limit)) then return nil end
  return reply.deny({ cause = budget.cause, limit = limit, used = spent, resetMs = resetMs, nowMs = nowMs,
    reservedNanoUsd = spent < limit and reserved or 0 })
end
`
