/** Lua: the store's clock, and periods of the calendar that clocks may disagree on. */

/** `nowMs` and `clock`: the time of the store, in milliseconds and as it answers it. */
export const time = `
local clock = redis.call('TIME')
local nowMs = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
`

/**
 * A period is named by its date (a month by its year and number), and names sort by time. A caller
 * whose clock is behind finds and changes the later period that another has opened, unless that is
 * further ahead than clocks and zones can differ. `later(stored, current)` is the period that counts,
 * `inPeriod(stored, current, value)` the stored value if it belongs to that period, else 0.
 */
export const periods = `
local function ordinal(period)
  local year, month, day = period:match('(%d+)-(%d+)-?(%d*)')
  if not year then return nil end
  return tonumber(year) * 372 + tonumber(month) * 31 + (tonumber(day) or 0), day == ''
end
-- Days of this count skip at the end of a month, so one real day may be five of them.
local nearDays, nearMonths = 12, 31
local function isLater(stored, current)
  if not stored or stored <= current then return false end
  local at, isMonth = ordinal(stored)
  -- A damaged name belongs to no period.
  return at and at - ordinal(current) <= (isMonth and nearMonths or nearDays)
end
local function later(stored, current) return isLater(stored, current) and stored or current end
local function inPeriod(stored, current, value)
  if stored ~= current and not isLater(stored, current) then return 0 end
  return type(value) == 'number' and value or integer(value) or 0
end
`
