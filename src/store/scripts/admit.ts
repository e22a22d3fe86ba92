/** `admit`: one atomic decision whether a request may run, and on which account. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { defineScript, runScript } from '../script.ts'
import { type AdmitReply, decodeAdmit, type RawReply } from './admit-reply.ts'
import { budget } from './budget.ts'
import { choose, health, reap, time } from './shared.ts'

/** An account that could serve the request, as the scripts see it. */
export interface Candidate {
  accountId: string
  /** Lower is served first. */
  priority: number
  /** Requests in flight at most; 0 = no limit. */
  maxConcurrency: number
}

export interface AdmitInput {
  poolVersion: string
  keyRevision: string
  digest: string
  ledgerId: string
  platform: string
  keyId: string
  /** Undefined: the request belongs to no session. */
  sessionKey: string | undefined
  model: string
  holdNanoUsd: number
  leaseMs: number
  /** How long the probe of a recovering account keeps others away from it. */
  probeMs: number
  /** Requests of this key in flight at most; 0 = no limit. */
  concurrencyLimit: number
  windowMs: number
  /** Requests per window; 0 = no limit. */
  windowRequests: number
  /** Names of the present day and week, as `bucketsAt` gives them. */
  day: string
  week: string
  /** Whether the weekly budget for Opus models applies. */
  isOpus: boolean
  /** Budgets; 0 = none. */
  limits: {
    totalNanoUsd: number
    dailyNanoUsd: number
    weeklyOpusNanoUsd: number
    windowNanoUsd: number
  }
  /** Life counted from first use; 0 = does not end. */
  activationMs: number
  candidates: Candidate[]
}

/** Orphans handed out, and leases reaped, by one call at most. */
const reapLimit = 5

const script = defineScript(
  time,
  health,
  choose,
  reap,
  budget,
  `
local keys = { pool = KEYS[1], apiKey = KEYS[2], counters = KEYS[3], keyLeases = KEYS[4], request = KEYS[5],
  sticky = KEYS[6], health = KEYS[7], inflight = KEYS[8], picked = KEYS[9], leases = KEYS[10], orphans = KEYS[11] }
local ledgerId, platform, keyId, model, hold = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local leaseMs, probeMs = tonumber(ARGV[8]), tonumber(ARGV[9])
local concurrencyLimit, windowMs, windowRequests = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local activationMs, hasSession = tonumber(ARGV[13]), ARGV[14] == '1'
local stickyMs, requestMs, reapLimit, claimMs = ARGV[15], tonumber(ARGV[16]), ARGV[17], tonumber(ARGV[18])
local day, week = ARGV[19], ARGV[20]
local limits = { total = tonumber(ARGV[21]), day = tonumber(ARGV[22]), weekOpus = tonumber(ARGV[23]), window = tonumber(ARGV[24]) }
local isOpusAsked = ARGV[25] == '1'
local count, first = tonumber(ARGV[26]), 27

local poolIsCurrent = (redis.call('HGET', keys.pool, 'version') or '0') == ARGV[1]
local keyIsCurrent = (redis.call('HGET', keys.apiKey, 'revision') or '0') == ARGV[2]
if not (poolIsCurrent and keyIsCurrent) then
  return { 'stale', poolIsCurrent and {} or redis.call('HGETALL', keys.pool),
    keyIsCurrent and {} or redis.call('HGETALL', keys.apiKey) }
end

local replay = redis.call('HMGET', keys.request, 'state', 'account', 'generation', 'expiresAtMs', 'member')
if replay[1] then
  -- A reaped lease stays reaped: its account may be serving others in its place.
  local isLeased = replay[1] == 'admitted' and redis.call('ZSCORE', keys.leases, replay[5])
  return isLeased and { 'ok', replay[2], replay[3], replay[4], {} } or { 'gone' }
end

local spendRow = redis.call('HMGET', keys.counters, unpack(spendFields))
local counters = redis.call('HMGET', keys.counters, 'activatedAtMs', 'windowEndsMs', 'windowRequests', 'windowCostNanoUsd')
local activatedAtMs = tonumber(counters[1] or nowMs)
if activationMs > 0 and activatedAtMs + activationMs <= nowMs then
  return { 'deny', 'expired', '0', '0', int(activatedAtMs + activationMs), int(nowMs) }
end

reap(keys, reapLimit)

local inFlight = redis.call('ZCOUNT', keys.keyLeases, '(' .. int(nowMs), '+inf')
if concurrencyLimit > 0 and inFlight >= concurrencyLimit then
  return { 'deny', 'concurrency', int(concurrencyLimit), int(inFlight), '0', int(nowMs) }
end
local windowEndsMs, used, windowCost = tonumber(counters[2] or '0'), tonumber(counters[3] or '0'), tonumber(counters[4] or '0')
if windowMs > 0 then
  -- A window that ends later than a fresh one would is left from a longer setting.
  if windowEndsMs <= nowMs or windowEndsMs > nowMs + windowMs then windowEndsMs, used, windowCost = nowMs + windowMs, 0, 0 end
  if windowRequests > 0 and used >= windowRequests then
    return { 'deny', 'window', int(windowRequests), int(used), int(windowEndsMs), int(nowMs) }
  end
end

local spend, cost = readSpend(spendRow, day, week), tonumber(hold)
local refusal = refuseCost('total_cost', limits.total, spend.total, spend.held, cost, 0)
  or refuseCost('daily_cost', limits.day, spend.day, spend.held, cost, 0)
  or (isOpusAsked and refuseCost('weekly_opus_cost', limits.weekOpus, spend.weekOpus, spend.heldOpus, cost, 0))
  or refuseCost('window_cost', limits.window, windowCost, spend.held, cost, windowEndsMs)
if refusal then return refusal end

local sticky = hasSession and redis.call('GET', keys.sticky)
local outcome = choose(keys, first, count, sticky)
local chosen = outcome.best
if not chosen then return none(outcome) end

take(keys, chosen, probeMs)
local expiresAtMs = int(nowMs + leaseMs)
local member = table.concat({ ledgerId, platform, keyId, chosen.id, '1', hold, model }, '|')
redis.call('ZADD', keys.leases, expiresAtMs, member)
redis.call('ZADD', keys.keyLeases, expiresAtMs, member)
redis.call('HSET', keys.request, 'state', 'admitted', 'account', chosen.id, 'generation', '1',
  'expiresAtMs', expiresAtMs, 'startedMs', int(nowMs), 'hold', hold, 'member', member)
redis.call('PEXPIRE', keys.request, int(leaseMs + requestMs))
redis.call('HSET', keys.counters, 'activatedAtMs', int(activatedAtMs), 'lastUsedAtMs', int(nowMs),
  'windowEndsMs', int(windowEndsMs), 'windowRequests', int(used + 1), 'windowCostNanoUsd', int(windowCost),
  'heldNanoUsd', int(spend.held + cost), 'heldOpusNanoUsd', int(spend.heldOpus + (isOpus(model) and cost or 0)))
if hasSession then redis.call('SET', keys.sticky, chosen.id, 'PX', stickyMs) end
return { 'ok', chosen.id, '1', expiresAtMs, claim(keys, reapLimit, claimMs) }
`,
)

/** Decides `input` in one round trip. @throws the engine's error when the store cannot answer. */
export async function admitScript(
  redis: Redis,
  keyspace: Keyspace,
  input: AdmitInput,
): Promise<AdmitReply> {
  const { platform, keyId } = input
  const keys = [
    keyspace.pool,
    keyspace.apiKey(input.digest),
    keyspace.keyCounters(keyId),
    keyspace.keyLeases(keyId),
    keyspace.request(input.ledgerId),
    keyspace.sticky(platform, keyId, input.sessionKey ?? ''),
    keyspace.health(platform),
    keyspace.inflight(platform),
    keyspace.picked(platform),
    keyspace.platformLeases(platform),
    keyspace.orphans,
  ]
  const args = [
    input.poolVersion,
    input.keyRevision,
    input.ledgerId,
    platform,
    keyId,
    input.model,
    input.holdNanoUsd,
    input.leaseMs,
    input.probeMs,
    input.concurrencyLimit,
    input.windowMs,
    input.windowRequests,
    input.activationMs,
    input.sessionKey === undefined ? '0' : '1',
    ttl.stickyMs,
    ttl.requestMs,
    reapLimit,
    ttl.orphanClaimMs,
    input.day,
    input.week,
    input.limits.totalNanoUsd,
    input.limits.dailyNanoUsd,
    input.limits.weeklyOpusNanoUsd,
    input.limits.windowNanoUsd,
    input.isOpus ? '1' : '0',
    ...candidateArgs(input.candidates),
  ]
  return decodeAdmit((await runScript(redis, script, keys, args)) as RawReply)
}

/** Candidates as the scripts read them: their number, then `id, priority, cap` each. */
export function candidateArgs(candidates: Candidate[]): (string | number)[] {
  const triples = candidates.flatMap((c) => [c.accountId, c.priority, c.maxConcurrency])
  return [candidates.length, ...triples]
}
