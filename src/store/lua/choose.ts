/** The choice of an account: who may serve, in which order, and why the others may not. */
import type { Candidate, SkippedCandidate, SkipReason } from '../../domain/candidate.ts'

/** Candidates as the scripts read them: their number, then seven texts each. */
export function candidateArgs(candidates: Candidate[]): (string | number)[] {
  const texts = candidates.flatMap((c) => [
    c.accountId,
    c.priority,
    c.maxConcurrency,
    c.family,
    c.quotaNanoUsd,
    c.quotaDay,
    c.quotaEndsMs,
  ])
  return [candidates.length, ...texts]
}

/**
 * \`choose\` reads two hashes, whatever the number of candidates. Order: the wishes (a session's
 * accounts), then lowest priority number, fewest in flight, least recently picked. With \`only\` no
 * other account is considered. A daily quota counts what is spent and what is held; while nothing is
 * held, one request may always run. \`take\` claims the probe of an account whose cooldown just ended
 * by pushing its end on, so that one request tries it and no other, and returns that end.
 */
export const choose = `
local stride, maxSkipped, briefProbeMs = 7, 20, 5000
local function restOf(whole, family)
  local resting = whole and whole.untilMs > nowMs and whole
  if family and family.untilMs > nowMs and (not resting or family.untilMs > resting.untilMs) then resting = family end
  return resting
end
local function rankOf(id, priority, wishes)
  if id == wishes[1] then return -2 end
  return id == wishes[2] and -1 or priority
end
local function isBefore(one, other)
  if one.rank ~= other.rank then return one.rank < other.rank end
  if one.load.inflight ~= other.load.inflight then return one.load.inflight < other.load.inflight end
  return one.load.pickedMs < other.load.pickedMs
end
local function choose(keys, first, count, hold, wishes, only)
  local outcome = { cooling = 0, limited = 0, probing = 0, full = 0, spent = 0, soonestMs = 0, newestPickMs = 0, skipped = {} }
  if count == 0 then return outcome end
  local ids, fields = {}, {}
  for i = 1, count do
    local at = first + (i - 1) * stride
    ids[i] = ARGV[at]
    fields[2 * i - 1], fields[2 * i] = ids[i], ids[i] .. '/' .. ARGV[at + 3]
  end
  local records = redis.call('HMGET', keys.health, unpack(fields))
  local packedLoads = redis.call('HMGET', keys.load, unpack(ids))
  local function skip(id, what, untilMs)
    if untilMs > 0 and (outcome.soonestMs == 0 or untilMs < outcome.soonestMs) then outcome.soonestMs = untilMs end
    if #outcome.skipped < maxSkipped then outcome.skipped[#outcome.skipped + 1] = id .. ' ' .. what .. ' ' .. int(untilMs) end
  end
  local best
  for i = 1, count do
    local id, at = ids[i], first + (i - 1) * stride
    local record = readLoad(packedLoads[i])
    outcome.newestPickMs = math.max(outcome.newestPickMs, record.pickedMs)
    if not only or id == only then
      local whole, family = readHealth(records[2 * i - 1]), readHealth(records[2 * i])
      local resting = restOf(whole, family)
      local cap, quota = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 4])
      local spent = quota > 0 and inPeriod(record.day, ARGV[at + 5], record.spent) or 0
      if resting then
        outcome.cooling = outcome.cooling + 1
        if resting.reason == 'rate_limited' then outcome.limited = outcome.limited + 1 end
        if resting.isProbing then outcome.probing = outcome.probing + 1 end
        skip(id, resting.isProbing and 'probing' or resting.reason, resting.untilMs)
      elseif quota > 0 and spent >= quota then
        outcome.spent = outcome.spent + 1
        skip(id, 'over_quota', tonumber(ARGV[at + 6]))
      elseif cap > 0 and record.inflight >= cap then
        outcome.full = outcome.full + 1
        skip(id, 'at_capacity', 0)
      elseif quota > 0 and record.held > 0 and spent + record.held + hold > quota then
        outcome.full = outcome.full + 1
        skip(id, 'quota_reserved', 0)
      else
        local candidate = { id = id, load = record, rank = rankOf(id, tonumber(ARGV[at + 1]), wishes),
          health = { [id] = whole, [fields[2 * i]] = family } }
        if not best or isBefore(candidate, best) then best = candidate end
      end
    end
  end
  outcome.best = best
  if best and not loads[best.id] then loads[best.id] = best.load end
  return outcome
end
local function none(outcome)
  return { 'none', int(outcome.soonestMs), int(outcome.cooling), int(outcome.limited), int(outcome.probing),
    int(outcome.full), int(outcome.spent), int(nowMs), outcome.skipped }
end
local function take(keys, outcome, probeMs, hold)
  local chosen, claimedUntilMs = outcome.best, ''
  local load = loadOf(keys.load, chosen.id)
  load.inflight, load.held = load.inflight + 1, load.held + hold
  -- The picks of one millisecond keep their order.
  load.pickedMs = math.max(nowMs, outcome.newestPickMs + 1)
  saveLoads(keys.load)
  for field, record in pairs(chosen.health) do
    -- What only silence decides takes long; anything else is known within seconds.
    record.untilMs = nowMs + (record.reason == 'timeout' and probeMs or math.min(probeMs, briefProbeMs))
    record.isProbing, claimedUntilMs = true, int(record.untilMs)
    writeHealth(keys.health, field, record)
  end
  return claimedUntilMs
end
`

/** Reads the texts that `choose` collects; of many candidates only the first twenty. */
export function decodeSkipped(texts: string[]): SkippedCandidate[] {
  return texts.map((text) => {
    const [accountId = '', why = '', untilMs] = text.split(' ')
    return { accountId, why: why as SkipReason, untilMs: Number(untilMs) }
  })
}

/** No candidate can serve now. */
export interface NoneReply {
  kind: 'none'
  /** When the first of them is free again by itself; 0 when none is by time. */
  soonestMs: number
  /** How many rest, and how many of these by their vendor's limit. */
  cooling: number
  limited: number
  /** How many of those are being tried at this moment: they may be well sooner. */
  probing: number
  /** How many are full, of requests or of holds on their quota. */
  full: number
  /** How many have spent their daily quota. */
  spent: number
  nowMs: number
  skipped: SkippedCandidate[]
}

export type RawNone = ['none', string, string, string, string, string, string, string, string[]]

/** Decodes what the Lua function `none` returns. */
export function decodeNone(reply: RawNone): NoneReply {
  const [kind, soonestMs, cooling, limited, probing, full, spent, nowMs, skipped] = reply
  return {
    kind,
    soonestMs: Number(soonestMs),
    cooling: Number(cooling),
    limited: Number(limited),
    probing: Number(probing),
    full: Number(full),
    spent: Number(spent),
    nowMs: Number(nowMs),
    skipped: decodeSkipped(skipped),
  }
}
