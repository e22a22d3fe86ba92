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
 * `charge` adds a cost to the total and to the present periods. A negative one is taken back from the
 * periods it was booked in; one that has ended since is not opened again. Needs `periods`.
 */
export const charge = `
local function charge(counters, cost, isOpusCost, day, week)
  local row = redis.call('HMGET', counters, 'spentNanoUsd', 'day', 'daySpentNanoUsd', 'week',
    'weekOpusSpentNanoUsd', 'windowEndsMs', 'windowCostNanoUsd')
  local isNewDay, isNewWeek = later(row[2], day) ~= row[2], later(row[4], week) ~= row[4]
  local daySpent = isNewDay and 0 or tonumber(row[3] or '0')
  local weekSpent = isNewWeek and 0 or tonumber(row[5] or '0')
  local windowCost = tonumber(row[7] or '0')
  if cost > 0 or day == row[2] then daySpent = math.max(0, daySpent + cost) end
  if isOpusCost and (cost > 0 or week == row[4]) then weekSpent = math.max(0, weekSpent + cost) end
  if tonumber(row[6] or '0') > nowMs then windowCost = math.max(0, windowCost + cost) end
  redis.call('HSET', counters, 'spentNanoUsd', int(tonumber(row[1] or '0') + cost),
    'day', later(row[2], day), 'daySpentNanoUsd', int(daySpent),
    'week', later(row[4], week), 'weekOpusSpentNanoUsd', int(weekSpent), 'windowCostNanoUsd', int(windowCost))
end
`
