/** Lua: the choice of an account: which candidates can serve, in which order, and why others cannot. */

/** A candidate that was passed over; only the first twenty are reported. */
export const skippedFields = {
  accountId: 'text',
  /** A skip reason, or the reason of a cooldown, maybe one that a newer gateway has written. */
  why: 'text',
  untilMs: 'number',
} as const

/** What `none` answers when no candidate can serve. */
export const noneFields = {
  /** When the first of them is available again by itself; 0 when none is by time. */
  soonestMs: 'number',
  /** How many are cooling down; of these by a limit, an overload, or a refusal of their credential. */
  cooling: 'number',
  limited: 'number',
  overloaded: 'number',
  refused: 'number',
  /** How many of those another request probes at this moment: they may be available sooner. */
  probing: 'number',
  /** How many are at capacity, by requests or by reservations on their quota. */
  atCapacity: 'number',
  overQuota: 'number',
  nowMs: 'number',
  skipped: [skippedFields],
} as const

/**
 * - `choose(keys, candidates, reservation, preferred, isEveryone)` reads two hashes, whatever the number of
 *   candidates. Order: the preferred accounts (those of a session), then those of the preferred organisation,
 *   then the lowest priority number, fewest requests in flight, least recently picked. A daily quota counts what is spent and what is reserved;
 *   while nothing is reserved, one request may always run. Where none of everyone can serve, those may
 *   whose cooldown is over by the length that it has for an only account.
 * - `chooseFrom(keys, args, rows, …, required)` chooses from the required candidate, or from all. If these
 *   are many, those of the session are read first, and the others only where none of them can serve.
 * - `take(keys, outcome, probeMs, reservation)` puts the request on the chosen account. Where the cooldown
 *   of that has just ended, it claims the probe by moving the end on, so that this request tries the account
 *   and no other does, and answers the new end as text; else ''.
 * - `noneOf(outcome)` are the fields of the answer that no candidate can serve.
 *
 * Needs `time`, `periods`, `health`, `load`, `candidates`.
 */
export const choose = `
local maxSkipped, maxAtOnce, briefProbeMs = 20, 16, 5000
local coolingKinds = { rate_limited = 'limited', overloaded = 'overloaded', account_refused = 'refused', credential_unreadable = 'refused' }
local function cooldownOf(whole, family)
  local cooling = whole and whole.untilMs > nowMs and whole
  if family and family.untilMs > nowMs and (not cooling or family.untilMs > cooling.untilMs) then cooling = family end
  return cooling
end
local function rankOf(candidate, preferred)
  if candidate.accountId == preferred[1] then return -2 end
  if candidate.accountId == preferred[2] then return -1 end
  local isKin = candidate.organisation ~= '' and candidate.organisation == preferred.organisation
  return isKin and candidate.priority / 1000 or candidate.priority
end
local function isBefore(rank, load, other)
  if rank ~= other.rank then return rank < other.rank end
  if load.inflight ~= other.load.inflight then return load.inflight < other.load.inflight end
  return load.pickedMs < other.load.pickedMs
end
local function choose(keys, candidates, reservation, preferred, isEveryone)
  local outcome = { cooling = 0, limited = 0, overloaded = 0, refused = 0, probing = 0, atCapacity = 0, overQuota = 0, soonestMs = 0, newestPickMs = 0, skipped = {} }
  if #candidates == 0 then return outcome end
  local ids, fields = {}, {}
  for i, candidate in ipairs(candidates) do
    ids[i] = candidate.accountId
    fields[2 * i - 1] = candidate.accountId
    fields[2 * i] = healthField(candidate.accountId, candidate.family)
  end
  local records = redis.call('HMGET', keys.health, unpack(fields))
  local packedLoads = redis.call('HMGET', keys.load, unpack(ids))
  local function skip(candidate, why, untilMs, onlyMs)
    if onlyMs > 0 and (outcome.soonestMs == 0 or onlyMs < outcome.soonestMs) then outcome.soonestMs = onlyMs end
    if #outcome.skipped < maxSkipped then
      outcome.skipped[#outcome.skipped + 1] = { accountId = candidate.accountId, why = why, untilMs = untilMs }
    end
  end
  local function full(candidate, record)
    local cap, quota, reserved = candidate.maxConcurrency, candidate.quotaNanoUsd, record.reservedNanoUsd
    if cap == 0 and quota == 0 then return nil end
    local spent = quota > 0 and inPeriod(record.day ~= '' and record.day or nil, candidate.quotaDay, record.spentNanoUsd) or 0
    if quota > 0 and spent >= quota then return 'overQuota', 'over_quota', candidate.quotaEndsMs end
    if cap > 0 and record.inflight >= cap then return 'atCapacity', 'at_capacity', 0 end
    if quota > 0 and reserved > 0 and spent + reserved + reservation > quota then return 'atCapacity', 'quota_reserved', 0 end
  end
  local function consider(candidate, record, whole, family, familyField)
    local cooling = cooldownOf(whole, family)
    local count, why, untilMs = full(candidate, record)
    local onlyMs = cooling and math.max(onlyEndMs(whole), onlyEndMs(family))
    if cooling then
      outcome.cooling = outcome.cooling + 1
      local kind = coolingKinds[cooling.reason]
      if kind then outcome[kind] = outcome[kind] + 1 end
      if cooling.isProbing then outcome.probing = outcome.probing + 1 end
      skip(candidate, cooling.isProbing and 'probing' or cooling.reason, cooling.untilMs, onlyMs)
    elseif count then
      outcome[count] = outcome[count] + 1
      skip(candidate, why, untilMs, untilMs)
    end
    if count or (cooling and onlyMs > nowMs) then return end
    local place, rank = cooling and 'lastResort' or 'best', rankOf(candidate, preferred)
    if outcome[place] and not isBefore(rank, record, outcome[place]) then return end
    outcome[place] = { id = candidate.accountId, load = record, rank = rank,
      health = { [candidate.accountId] = whole, [familyField] = family } }
  end
  for i, candidate in ipairs(candidates) do
    local record = loads[candidate.accountId] or loadFrom(packedLoads[i])
    outcome.newestPickMs = math.max(outcome.newestPickMs, record.pickedMs)
    consider(candidate, record, readHealth(records[2 * i - 1]), readHealth(records[2 * i]), fields[2 * i])
  end
  if isEveryone and not outcome.best and outcome.lastResort then
    outcome.best = outcome.lastResort
    for i = #outcome.skipped, 1, -1 do
      if outcome.skipped[i].accountId == outcome.best.id then table.remove(outcome.skipped, i) end
    end
  end
  local best = outcome.best
  if best and not loads[best.id] then loads[best.id] = best.load end
  return outcome
end
local function chooseFrom(keys, args, rows, reservation, preferred, required)
  if required then return choose(keys, { required }, reservation, preferred, true) end
  local home = preferred[1] and findCandidate(args, rows, preferred[1])
  preferred.organisation = home and home.organisation
  if #args.candidates.kindOfRow > maxAtOnce * args.candidates.digits then
    local first = {}
    for i, id in ipairs(preferred) do
      if i == 1 or id ~= preferred[1] then first[#first + 1] = findCandidate(args, rows, id) end
    end
    local outcome = choose(keys, first, reservation, preferred, false)
    if outcome.best then return outcome end
  end
  return choose(keys, allCandidates(args, rows), reservation, preferred, true)
end
local function noneOf(outcome)
  outcome.nowMs = nowMs
  return outcome
end
local function take(keys, outcome, probeMs, reservation)
  local chosen, claimedUntilMs = outcome.best, ''
  local record = loadOf(keys, chosen.id)
  record.inflight, record.reservedNanoUsd = record.inflight + 1, record.reservedNanoUsd + reservation
  -- The picks of one millisecond keep their order.
  record.pickedMs = math.max(nowMs, outcome.newestPickMs + 1)
  saveLoads(keys)
  local claims = {}
  for field, health in pairs(chosen.health) do
    -- What only silence decides takes long; anything else is known within seconds.
    health.untilMs = nowMs + (health.reason == 'timeout' and probeMs or math.min(probeMs, briefProbeMs))
    health.isProbing, claimedUntilMs = true, int(health.untilMs)
    claims[#claims + 1] = field
    claims[#claims + 1] = packHealth(health)
  end
  if #claims > 0 then redis.call('HSET', keys.health, unpack(claims)) end
  return claimedUntilMs
end
`
