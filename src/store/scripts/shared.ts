/** Lua functions that several scripts share: time, health, the choice of an account, reaping. */

/** `nowMs`: the store's clock; `int`: exact integer text, which Lua's own number text is not. */
export const time = `
local function int(number) return string.format('%.0f', number) end
local clock = redis.call('TIME')
local nowMs = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
`

/**
 * A health record is \`untilMs|failures|sinceMs|reason\`. A failure or a success counts only when its
 * attempt began after the record was made: fifty requests that fail together are one failure, and an
 * old success clears nothing.
 */
export const health = `
local function readHealth(packed)
  if not packed then return nil end
  local untilMs, failures, sinceMs, reason = packed:match('^(%d+)|(%d+)|(%d+)|(.*)$')
  return { untilMs = tonumber(untilMs), failures = tonumber(failures), sinceMs = tonumber(sinceMs), reason = reason }
end
local function writeHealth(healthKey, account, record)
  redis.call('HSET', healthKey, account, table.concat(
    { int(record.untilMs), int(record.failures), int(record.sinceMs), record.reason }, '|'))
end
local function recordFailure(healthKey, account, startedMs, failure)
  local record = readHealth(redis.call('HGET', healthKey, account))
  if record and startedMs <= record.sinceMs then return end
  local failures = record and record.failures + 1 or 1
  local untilMs = failure.untilMs
  if untilMs <= nowMs then
    untilMs = nowMs + math.min(failure.cooldownMs * 2 ^ math.min(failures - 1, 30), failure.maxCooldownMs)
  end
  writeHealth(healthKey, account,
    { untilMs = untilMs, failures = failures, sinceMs = nowMs, reason = failure.reason })
end
local function recordSuccess(healthKey, account, startedMs)
  local record = readHealth(redis.call('HGET', healthKey, account))
  if record and startedMs > record.sinceMs then redis.call('HDEL', healthKey, account) end
end
`

/**
 * \`choose\` takes candidates as \`id, priority, cap\` triples in ARGV and reads three hashes, whatever
 * their number. Order: the sticky account if it can serve, then lowest priority number, fewest in
 * flight, least recently picked. \`take\` claims the probe of an account whose cooldown just ended by
 * pushing its end on, so that one request tries it and no other.
 */
export const choose = `
local function choose(keys, first, count, sticky)
  local outcome = { cooling = 0, limited = 0, full = 0, soonestMs = 0 }
  if count == 0 then return outcome end
  local ids = {}
  for i = 1, count do ids[i] = ARGV[first + (i - 1) * 3] end
  local healths = redis.call('HMGET', keys.health, unpack(ids))
  local inflights = redis.call('HMGET', keys.inflight, unpack(ids))
  local pickeds = redis.call('HMGET', keys.picked, unpack(ids))
  local best
  for i = 1, count do
    local record = readHealth(healths[i])
    local priority = tonumber(ARGV[first + (i - 1) * 3 + 1])
    local cap = tonumber(ARGV[first + (i - 1) * 3 + 2])
    local inflight = tonumber(inflights[i] or '0')
    if record and record.untilMs > nowMs then
      outcome.cooling = outcome.cooling + 1
      if record.reason == 'rate_limited' then outcome.limited = outcome.limited + 1 end
      if outcome.soonestMs == 0 or record.untilMs < outcome.soonestMs then outcome.soonestMs = record.untilMs end
    elseif cap > 0 and inflight >= cap then
      outcome.full = outcome.full + 1
    else
      local candidate = { id = ids[i], record = record, inflight = inflight,
        priority = ids[i] == sticky and 0 or priority, picked = tonumber(pickeds[i] or '0') }
      if not best or candidate.priority < best.priority
        or (candidate.priority == best.priority and (candidate.inflight < best.inflight
        or (candidate.inflight == best.inflight and candidate.picked < best.picked))) then
        best = candidate
      end
    end
  end
  outcome.best = best
  return outcome
end
local function none(outcome)
  return { 'none', int(outcome.soonestMs), int(outcome.cooling), int(outcome.limited), int(outcome.full), int(nowMs) }
end
local function take(keys, chosen, probeMs)
  if chosen.record then
    chosen.record.untilMs = nowMs + probeMs
    writeHealth(keys.health, chosen.id, chosen.record)
  end
  redis.call('HINCRBY', keys.inflight, chosen.id, 1)
  redis.call('HSET', keys.picked, chosen.id, redis.call('HINCRBY', keys.picked, 'sequence', 1))
end
`

/**
 * Lease members are \`ledgerId|platform|keyId|account|generation|holdNanoUsd|model\`. \`reap\` frees the
 * accounts of expired leases, which join the orphans; \`claim\` hands orphans to the caller, who alone
 * may book them for a while. A script that cannot answer with orphans must not claim any.
 */
export const reap = `
local function accountOf(member) return member:match('^[^|]*|[^|]*|[^|]*|([^|]*)') end
local function holdOf(member) return tonumber(member:match('^[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|([^|]*)')) end
local function release(keys, member)
  if redis.call('ZREM', keys.leases, member) == 1 then
    redis.call('HINCRBY', keys.inflight, accountOf(member), -1)
  end
end
local function reap(keys, limit)
  local now = int(nowMs)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', keys.leases, '-inf', now, 'LIMIT', 0, limit)) do
    release(keys, member)
    redis.call('ZADD', keys.orphans, now, member)
  end
end
local function claim(keys, limit, claimMs)
  local claimed = redis.call('ZRANGEBYSCORE', keys.orphans, '-inf', int(nowMs), 'LIMIT', 0, limit)
  for _, member in ipairs(claimed) do redis.call('ZADD', keys.orphans, int(nowMs + claimMs), member) end
  return claimed
end
`

/** No candidate can serve now: how many cool, how many of these by their vendor's limit, how many are full. */
export interface NoneReply {
  kind: 'none'
  /** When the first of them stops cooling; 0 when none cools. */
  soonestMs: number
  cooling: number
  limited: number
  full: number
  nowMs: number
}

/** Decodes what the Lua function `none` returns. */
export function decodeNone([, soonestMs, cooling, limited, full, nowMs]: string[]): NoneReply {
  return {
    kind: 'none',
    soonestMs: Number(soonestMs),
    cooling: Number(cooling),
    limited: Number(limited),
    full: Number(full),
    nowMs: Number(nowMs),
  }
}
