/** Lua: what a settlement changes in the counters of its key: one read and one write, whatever it changes. */
import { budgetPeriods } from '../../domain/limits.ts'
import { keySumCount } from '../../domain/sums.ts'
import { counterFields, quote } from './budget.ts'

/** The sums of a key as a whole, of its latest day and of its latest month; the last two begin with its name. */
export const keySumsFields = ['totalSums', 'daySums', 'monthSums'] as const

/**
 * - `countersOf(keys)`: the counters of the key by name, read once; `setCounter(field, text)` changes
 *   one, `saveCounters(keys)` writes what was changed
 * - `freeReservation(keys, lease)` takes what a lease holds off its key
 * - `charge(keys, cost, family, present)` adds a cost to every budget it counts towards, and answers
 *   the periods that these were in, packed; `takeBack(keys, cost, family, packed)` takes it from them
 *   again. A period that has ended since is not opened again
 * - `addKeySums(keys, packed, sign, present)` adds packed sums to those of the key
 *
 * Needs `time`, `periods`, `counters`, `sumsCodec`.
 */
export const charge = `
local packedPeriods = { ${budgetPeriods.map(quote).join(', ')} }
local settledFields = { ${[...counterFields, ...keySumsFields].map(quote).join(', ')} }
local ownCounters, changedCounters = nil, {}
local function countersOf(keys)
  if ownCounters then return ownCounters end
  local texts = redis.call('HMGET', keys.counters, unpack(settledFields))
  ownCounters = {}
  for i, field in ipairs(settledFields) do ownCounters[field] = texts[i] or nil end
  return ownCounters
end
local function setCounter(field, text)
  ownCounters[field], changedCounters[field] = text, text
end
local function saveCounters(keys)
  local words = {}
  for _, field in ipairs(settledFields) do
    if changedCounters[field] then
      words[#words + 1] = field
      words[#words + 1] = changedCounters[field]
    end
  end
  if #words > 0 then redis.call('HSET', keys.counters, unpack(words)) end
end
local function freeReservation(keys, lease)
  local counters, freed = countersOf(keys), lease.reservationNanoUsd
  setCounter('heldNanoUsd', int(numberIn(counters, 'heldNanoUsd') - freed))
  if lease.family == 'opus' then setCounter('heldOpusNanoUsd', int(numberIn(counters, 'heldOpusNanoUsd') - freed)) end
end
local function countsTowards(budget, family) return not budget.family or budget.family == family end
local function charge(keys, cost, family, present)
  local counters, now = countersOf(keys), {}
  for _, period in ipairs(calendar) do now[period] = later(counters[period], present[period]) end
  now.window = numberIn(counters, 'windowEndsMs') > nowMs and counters.windowEndsMs or ''
  for _, budget in ipairs(budgets) do
    local isOpen = budget.period == 'total' or budget.period == 'window' or now[budget.period] == counters[budget.period]
    local spent = isOpen and numberIn(counters, budget.spentField) or 0
    local counts = countsTowards(budget, family) and now[budget.period] ~= ''
    setCounter(budget.spentField, int(spent + (counts and cost or 0)))
  end
  for _, period in ipairs(calendar) do setCounter(period, now[period]) end
  local packed = {}
  for i, period in ipairs(packedPeriods) do packed[i] = now[period] end
  return table.concat(packed, '|')
end
local function takeBack(keys, cost, family, packed)
  local counters, chargedIn = countersOf(keys), {}
  local i = 0
  for period in (packed .. '|'):gmatch('([^|]*)|') do
    i = i + 1
    chargedIn[packedPeriods[i] or ''] = period
  end
  for _, budget in ipairs(budgets) do
    local present = counters[budget.period == 'window' and 'windowEndsMs' or budget.period] or ''
    local isSame = budget.period == 'total' or (chargedIn[budget.period] or '') ~= '' and chargedIn[budget.period] == present
    if isSame and countsTowards(budget, family) then
      local left = numberIn(counters, budget.spentField) - cost
      setCounter(budget.spentField, int(budget.period == 'total' and left or math.max(0, left)))
    end
  end
end
local function addKeySums(keys, packed, sign, present)
  local counters = countersOf(keys)
  local changes, count = changesOf(packed, sign)
  count = math.min(count, ${keySumCount})
  setCounter('totalSums', addSums(counters.totalSums, changes, count))
  for _, period in ipairs({ 'day', 'month' }) do
    local field = period .. 'Sums'
    local name, sums = (counters[field] or ''):match('^([^|]*)|(.*)$')
    local now = later(name, present[period])
    setCounter(field, now .. '|' .. addSums(name == now and sums or nil, changes, count))
  end
end
`
