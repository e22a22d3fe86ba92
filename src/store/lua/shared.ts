/** Lua functions that nearly every script needs: time and exact numbers. */

/** `nowMs`: the store's clock; `int`: exact integer text, which Lua's own number text is not. */
export const time = `
local function int(number) return string.format('%.0f', number) end
local clock = redis.call('TIME')
local nowMs = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
`

/**
 * A period is named by its date, and names sort by time: a caller whose clock is behind finds and
 * changes the later period, unless that is further ahead than clocks and zones can differ.
 */
export const periods = `
local function ordinal(period)
  local year, month, day = period:match('(%d+)-(%d+)-(%d+)')
  return tonumber(year) * 372 + tonumber(month) * 31 + tonumber(day)
end
-- Days of this count skip at the end of a month, so one real day may be five of them.
local nearDays = 12
local function isLater(stored, current)
  return stored and stored > current and ordinal(stored) - ordinal(current) <= nearDays or false
end
local function later(stored, current) return isLater(stored, current) and stored or current end
local function inPeriod(stored, current, value)
  return (stored == current or isLater(stored, current)) and tonumber(value or '0') or 0
end
`
