/** Lua functions of a key's budgets: what is spent in which period, and what holds stand for. */

/**
 * `hold` stands for what a request in flight may cost; a request is refused for the holds of others
 * only while there are any, so one can always run. Needs `periods`.
 */
export const budget = `
local function readSpend(row, day, week)
  return { held = tonumber(row[1] or '0'), heldOpus = tonumber(row[2] or '0'), total = tonumber(row[3] or '0'),
    day = inPeriod(row[4], day, row[5]), weekOpus = inPeriod(row[6], week, row[7]) }
end
local counterFields = { 'heldNanoUsd', 'heldOpusNanoUsd', 'spentNanoUsd', 'day', 'daySpentNanoUsd', 'week', 'weekOpusSpentNanoUsd',
  'activatedAtMs', 'windowEndsMs', 'windowRequests', 'windowCostNanoUsd' }
local function refuseCost(cause, limit, spent, held, hold, resetMs)
  if limit == 0 or (spent < limit and (held == 0 or spent + held + hold <= limit)) then return nil end
  return { 'deny', cause, int(limit), int(spent), int(resetMs), int(nowMs), int(spent < limit and held or 0) }
end
`

/**
 * `charge` adds a cost to the total and to the present periods, and returns which these are;
 * `takeBack` takes it from them again. A period that has ended since is not opened again.
 */
export const charge = `
local chargeFields = { 'spentNanoUsd', 'day', 'daySpentNanoUsd', 'week', 'weekOpusSpentNanoUsd', 'windowEndsMs', 'windowCostNanoUsd' }
local function charge(counters, cost, isOpusCost, day, week)
  local row = redis.call('HMGET', counters, unpack(chargeFields))
  day, week = later(row[2], day), later(row[4], week)
  local daySpent = (day == row[2] and tonumber(row[3] or '0') or 0) + cost
  local weekSpent = (week == row[4] and tonumber(row[5] or '0') or 0) + (isOpusCost and cost or 0)
  local isInWindow = tonumber(row[6] or '0') > nowMs
  local windowCost = tonumber(row[7] or '0') + (isInWindow and cost or 0)
  redis.call('HSET', counters, 'spentNanoUsd', int(tonumber(row[1] or '0') + cost), 'day', day,
    'daySpentNanoUsd', int(daySpent), 'week', week, 'weekOpusSpentNanoUsd', int(weekSpent), 'windowCostNanoUsd', int(windowCost))
  return day .. '|' .. week .. '|' .. (isInWindow and row[6] or '')
end
local function takeBack(counters, cost, isOpusCost, periods)
  local row = redis.call('HMGET', counters, unpack(chargeFields))
  local day, week, windowEndsMs = periods:match('^([^|]*)|([^|]*)|(.*)$')
  local function less(spent, isSame) return int(math.max(0, tonumber(spent or '0') - (isSame and cost or 0))) end
  redis.call('HSET', counters, 'spentNanoUsd', int(tonumber(row[1] or '0') - cost),
    'daySpentNanoUsd', less(row[3], day == row[2]),
    'weekOpusSpentNanoUsd', less(row[5], isOpusCost and week == row[4]),
    'windowCostNanoUsd', less(row[7], windowEndsMs ~= '' and windowEndsMs == row[6]))
end
`
