/** Lua: the budgets of a key, made from the table of limits: what is charged, and what is reserved. */
import {
  budgetPeriods,
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

const quote = (text: string | undefined) => (text === undefined ? 'nil' : `'${text}'`)

const budgetRows = costLimits.map((limit) => {
  const family = 'family' in limit ? limit.family : undefined
  const { field, cause, period, spentField } = limit
  return `{ field = ${quote(field)}, cause = ${quote(cause)}, period = ${quote(period)}, spentField = ${quote(spentField)}, family = ${quote(family)} }`
})

/** The fields of a key's counters that the budgets use, each once. */
const counterFields = [
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

/**
 * `charge(keys, cost, family, present)` adds a cost to every budget it counts towards, and answers the
 * periods that these were in, packed; `takeBack(keys, cost, family, packed)` takes it from them again. A
 * period that has ended since is not opened again. Needs `time`, `counters`.
 */
export const charge = `
local packedPeriods = { ${budgetPeriods.map(quote).join(', ')} }
local function countsTowards(budget, family) return not budget.family or budget.family == family end
local function charge(keys, cost, family, present)
  local counters = readCounters(keys)
  local now, words = {}, {}
  for _, period in ipairs(calendar) do
    now[period] = later(counters[period], present[period])
    words[#words + 1] = period
    words[#words + 1] = now[period]
  end
  now.window = numberIn(counters, 'windowEndsMs') > nowMs and counters.windowEndsMs or ''
  for _, budget in ipairs(budgets) do
    local isOpen = budget.period == 'total' or budget.period == 'window' or now[budget.period] == counters[budget.period]
    local spent = isOpen and numberIn(counters, budget.spentField) or 0
    local counts = countsTowards(budget, family) and now[budget.period] ~= ''
    words[#words + 1] = budget.spentField
    words[#words + 1] = int(spent + (counts and cost or 0))
  end
  redis.call('HSET', keys.counters, unpack(words))
  local packed = {}
  for i, period in ipairs(packedPeriods) do packed[i] = now[period] end
  return table.concat(packed, '|')
end
local function takeBack(keys, cost, family, packed)
  local counters, chargedIn = readCounters(keys), {}
  local i = 0
  for period in (packed .. '|'):gmatch('([^|]*)|') do
    i = i + 1
    chargedIn[packedPeriods[i] or ''] = period
  end
  local words = {}
  for _, budget in ipairs(budgets) do
    local present = counters[budget.period == 'window' and 'windowEndsMs' or budget.period] or ''
    local isSame = budget.period == 'total' or (chargedIn[budget.period] or '') ~= '' and chargedIn[budget.period] == present
    if isSame and countsTowards(budget, family) then
      local left = numberIn(counters, budget.spentField) - cost
      words[#words + 1] = budget.spentField
      words[#words + 1] = int(budget.period == 'total' and left or math.max(0, left))
    end
  end
  if #words > 0 then redis.call('HSET', keys.counters, unpack(words)) end
end
`
