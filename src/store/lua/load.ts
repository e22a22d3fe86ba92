/** Lua: what an account carries, and the leases that it carries it for. */
import { lease } from '../records/lease.ts'
import { load as loadRecord } from '../records/load.ts'

/**
 * Each script reads a load record once (`loadOf`) and writes what it changed at the end (`saveLoads`).
 * A damaged record is that of an
 * idle account. Needs `time`.
 */
export const load = `${loadRecord.lua}
local loads = {}
local function loadFrom(text)
  local record = readLoad(text) or { inflight = 0, pickedMs = 0, reservedNanoUsd = 0, day = '', spentNanoUsd = 0 }
  -- The next pick of any account comes after it, so one from a far future would move them all there.
  record.pickedMs = math.min(record.pickedMs, nowMs + 60000)
  return record
end
local function loadOf(keys, account)
  if not loads[account] then loads[account] = loadFrom(redis.call('HGET', keys.load, account)) end
  return loads[account]
end
local function saveLoads(keys)
  for account, record in pairs(loads) do redis.call('HSET', keys.load, account, packLoad(record)) end
  loads = {}
end
`

/**
 * `chargeLoad(keys, account, cost, day)` adds a cost to the present day of an account and answers which
 * that is. A negative one is taken back from the day it was charged in, if that is still the present one.
 * The day begins at the account's own `quotaResetTime`, so callers name it. Needs `load`, `periods`.
 */
export const chargeLoad = `
local function chargeLoad(keys, account, cost, day)
  local record = loadOf(keys, account)
  local present = later(record.day ~= '' and record.day or nil, day)
  if cost >= 0 and present ~= record.day then record.day, record.spentNanoUsd = present, 0 end
  if cost >= 0 or record.day == day then record.spentNanoUsd = math.max(0, record.spentNanoUsd + cost) end
  return present
end
`

/**
 * - `reap(keys, limit)` ends expired leases: their accounts take other requests again, and the leases
 *   wait as orphans, with their reservations, until they are settled
 * - `claim(keys, limit, claimMs)` hands orphans to the caller, who alone may settle them for a while; a
 *   script that cannot answer with orphans must not claim any. Of a damaged one it is not known whose it
 *   was: it is handed out once
 * - `release(keys, member)` ends a lease that is still held, with its reservation, and answers whether it was
 * - `dropReservation(keys, member)` ends the reservation of an orphan
 *
 * Needs `time`, `load`.
 */
export const leases = `${lease.lua}
local function dropReservation(keys, member)
  local held = readLease(member)
  if not held then return end
  local record = loadOf(keys, held.accountId)
  record.reservedNanoUsd = record.reservedNanoUsd - held.reservationNanoUsd
end
local function leaveAccount(keys, member)
  local held = readLease(member)
  if not held then return end
  local record = loadOf(keys, held.accountId)
  record.inflight = record.inflight - 1
end
local function release(keys, member)
  if redis.call('ZREM', keys.leases, member) == 0 then return false end
  leaveAccount(keys, member)
  dropReservation(keys, member)
  return true
end
local function reap(keys, limit)
  local now = int(nowMs)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', keys.leases, '-inf', now, 'LIMIT', 0, limit)) do
    redis.call('ZREM', keys.leases, member)
    leaveAccount(keys, member)
    redis.call('ZADD', keys.orphans, now, member)
  end
  saveLoads(keys)
end
local function claim(keys, limit, claimMs)
  local claimed = redis.call('ZRANGEBYSCORE', keys.orphans, '-inf', int(nowMs), 'LIMIT', 0, limit)
  for _, member in ipairs(claimed) do
    if readLease(member) then redis.call('ZADD', keys.orphans, int(nowMs + claimMs), member)
    else redis.call('ZREM', keys.orphans, member) end
  end
  return claimed
end
`
