/** Lua functions of what an account carries: requests in flight, holds, and what its day has cost. */

/**
 * A load record is \`inflight|pickedMs|heldNanoUsd|day|spentNanoUsd\`. Each script reads a record
 * once (\`loadOf\`) and writes what it changed at the end (\`saveLoads\`). The day begins at the
 * account's own \`quotaResetTime\`; callers name it.
 */
export const load = `
local loads = {}
local function readLoad(packed)
  local inflight, pickedMs, held, day, spent = (packed or '0|0|0||0'):match('^([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
  return { inflight = tonumber(inflight), pickedMs = tonumber(pickedMs), held = tonumber(held),
    day = day ~= '' and day or nil, spent = tonumber(spent) }
end
local function loadOf(loadKey, account)
  if not loads[account] then loads[account] = readLoad(redis.call('HGET', loadKey, account)) end
  return loads[account]
end
local function saveLoads(loadKey)
  for account, record in pairs(loads) do
    redis.call('HSET', loadKey, account, table.concat(
      { int(record.inflight), int(record.pickedMs), int(record.held), record.day or '', int(record.spent) }, '|'))
  end
  loads = {}
end
`

/**
 * \`chargeLoad\` adds a cost to the present day of an account and returns which that is. A negative
 * one is taken back from the day it was booked in, if that is still the present one.
 */
export const chargeLoad = `
local function chargeLoad(loadKey, account, cost, day)
  local record = loadOf(loadKey, account)
  local present = later(record.day, day)
  if cost >= 0 and present ~= record.day then record.day, record.spent = present, 0 end
  if cost >= 0 or record.day == day then record.spent = math.max(0, record.spent + cost) end
  return present
end
`

/**
 * Lease members are \`ledgerId|platform|keyId|account|generation|holdNanoUsd|family|model\`. \`reap\`
 * frees the places of expired leases, which join the orphans and keep their holds until booked; \`claim\` hands orphans to the
 * caller, who alone may book them for a while. A script that cannot answer with orphans must not
 * claim any.
 */
export const reap = `
local function accountOf(member) return member:match('^[^|]*|[^|]*|[^|]*|([^|]*)') end
local function holdOf(member) return tonumber(member:match('^[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|([^|]*)')) end
local function dropHold(keys, member)
  local record = loadOf(keys.load, accountOf(member))
  record.held = record.held - holdOf(member)
end
local function freePlace(keys, member)
  local record = loadOf(keys.load, accountOf(member))
  record.inflight = record.inflight - 1
end
local function release(keys, member)
  if redis.call('ZREM', keys.leases, member) == 0 then return end
  freePlace(keys, member)
  dropHold(keys, member)
end
local function reap(keys, limit)
  local now = int(nowMs)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', keys.leases, '-inf', now, 'LIMIT', 0, limit)) do
    redis.call('ZREM', keys.leases, member)
    freePlace(keys, member)
    redis.call('ZADD', keys.orphans, now, member)
  end
  saveLoads(keys.load)
end
local function claim(keys, limit, claimMs)
  local claimed = redis.call('ZRANGEBYSCORE', keys.orphans, '-inf', int(nowMs), 'LIMIT', 0, limit)
  for _, member in ipairs(claimed) do redis.call('ZADD', keys.orphans, int(nowMs + claimMs), member) end
  return claimed
end
`

/** What a load record says. */
export interface AccountLoad {
  inflight: number
  heldNanoUsd: number
  /** The day that `spentNanoUsd` belongs to; empty before the first charge. */
  day: string
  spentNanoUsd: number
}

/** Reads a load record; absent is idle. */
export function decodeLoad(packed: string | null | undefined): AccountLoad {
  const [inflight = 0, , held = 0, day = '', spent = 0] = packed?.split('|') ?? []
  return {
    inflight: Number(inflight),
    heldNanoUsd: Number(held),
    day: String(day),
    spentNanoUsd: Number(spent),
  }
}
