/** `admit`: one atomic decision whether a request may run, and on which account. */

import type { Redis } from '@upstash/redis'
import type { Candidate } from '../../domain/candidate.ts'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { budget } from '../lua/budget.ts'
import { candidateArgs, choose } from '../lua/choose.ts'
import { health } from '../lua/health.ts'
import { load, reap } from '../lua/load.ts'
import { periods, time } from '../lua/shared.ts'
import { sticky } from '../lua/sticky.ts'
import { defineScript, runScript } from '../script.ts'
import { type AdmitReply, decodeAdmit, type RawReply } from './admit-reply.ts'

export interface AdmitInput {
  poolVersion: string
  keyRevision: string
  digest: string
  ledgerId: string
  platform: string
  keyId: string
  /** Undefined: the request belongs to no session. */
  sessionKey: string | undefined
  /** Digest of an id that only the account which issued it can serve; undefined without one. */
  affinityDigest: string | undefined
  model: string
  /** Of the models that it may become; `opus` counts towards the weekly budget. */
  family: string
  holdNanoUsd: number
  leaseMs: number
  /** How long the probe of a recovering account keeps others away from it. */
  probeMs: number
  /** How long the prompt cache of a session's home account can be hoped to be warm. */
  warmMs: number
  /** Requests of this key in flight at most; 0 = no limit. */
  concurrencyLimit: number
  windowMs: number
  /** Requests per window; 0 = no limit. */
  windowRequests: number
  /** Names of the present day and week, as `bucketsAt` gives them. */
  day: string
  week: string
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
  periods,
  health,
  load,
  choose,
  reap,
  sticky,
  budget,
  `
local keys = { pool = KEYS[1], apiKey = KEYS[2], counters = KEYS[3], keyLeases = KEYS[4], request = KEYS[5],
  sticky = KEYS[6], health = KEYS[7], load = KEYS[8], leases = KEYS[9], orphans = KEYS[10], affinity = KEYS[11] }
local ledgerId, platform, keyId, model, family, hold = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local leaseMs, probeMs, warmMs = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local concurrencyLimit, windowMs, windowRequests = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local activationMs, hasSession, hasAffinity = tonumber(ARGV[15]), ARGV[16] == '1', ARGV[17] == '1'
local stickyMs, requestMs, reapLimit, claimMs = ARGV[18], tonumber(ARGV[19]), ARGV[20], tonumber(ARGV[21])
local day, week = ARGV[22], ARGV[23]
local limits = { total = tonumber(ARGV[24]), day = tonumber(ARGV[25]), weekOpus = tonumber(ARGV[26]), window = tonumber(ARGV[27]) }
local count, first = tonumber(ARGV[28]), 29
local isOpus = family == 'opus'

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
  return isLeased and { 'ok', replay[2], replay[3], replay[4], {}, 'none', '', {} } or { 'gone' }
end

local counters = redis.call('HMGET', keys.counters, unpack(counterFields))
local activatedAtMs = tonumber(counters[8] or nowMs)
if activationMs > 0 and activatedAtMs + activationMs <= nowMs then
  return { 'deny', 'expired', '0', '0', int(activatedAtMs + activationMs), int(nowMs) }
end

reap(keys, reapLimit)

local inFlight = redis.call('ZCOUNT', keys.keyLeases, '(' .. int(nowMs), '+inf')
if concurrencyLimit > 0 and inFlight >= concurrencyLimit then
  return { 'deny', 'concurrency', int(concurrencyLimit), int(inFlight), '0', int(nowMs) }
end
local windowEndsMs, used, windowCost = tonumber(counters[9] or '0'), tonumber(counters[10] or '0'), tonumber(counters[11] or '0')
if windowMs > 0 then
  -- A window that ends later than a fresh one would is left from a longer setting.
  if windowEndsMs <= nowMs or windowEndsMs > nowMs + windowMs then windowEndsMs, used, windowCost = nowMs + windowMs, 0, 0 end
  if windowRequests > 0 and used >= windowRequests then
    return { 'deny', 'window', int(windowRequests), int(used), int(windowEndsMs), int(nowMs) }
  end
end

local spend = readSpend(counters, day, week)
local refusal = refuseCost('total_cost', limits.total, spend.total, spend.held, hold, 0)
  or refuseCost('daily_cost', limits.day, spend.day, spend.held, hold, 0)
  or (isOpus and refuseCost('weekly_opus_cost', limits.weekOpus, spend.weekOpus, spend.heldOpus, hold, 0))
  or refuseCost('window_cost', limits.window, windowCost, spend.held, hold, windowEndsMs)
if refusal then return refusal end

-- An id whose account is no candidate any more binds nothing: any upstream will say that it is unknown.
local required = hasAffinity and redis.call('GET', keys.affinity)
local isOffered = false
for i = 0, required and count - 1 or -1 do isOffered = isOffered or ARGV[first + i * stride] == required end
required = isOffered and required

local session = hasSession and readSticky(redis.call('GET', keys.sticky)) or nil
local outcome = choose(keys, first, count, hold, stickyWishes(session, warmMs), required)
local chosen = outcome.best
if not chosen then return none(outcome) end

local claimedUntilMs = take(keys, outcome, probeMs, hold)
local expiresAtMs = int(nowMs + leaseMs)
local member = table.concat({ ledgerId, platform, keyId, chosen.id, '1', int(hold), family, model }, '|')
redis.call('ZADD', keys.leases, expiresAtMs, member)
redis.call('ZADD', keys.keyLeases, expiresAtMs, member)
redis.call('HSET', keys.request, 'state', 'admitted', 'account', chosen.id, 'generation', '1',
  'expiresAtMs', expiresAtMs, 'startedMs', int(nowMs), 'member', member, 'claimedUntilMs', claimedUntilMs)
redis.call('PEXPIRE', keys.request, int(leaseMs + requestMs))
redis.call('HSET', keys.counters, 'activatedAtMs', int(activatedAtMs), 'lastUsedAtMs', int(nowMs),
  'windowEndsMs', int(windowEndsMs), 'windowRequests', int(used + 1), 'windowCostNanoUsd', int(windowCost),
  'heldNanoUsd', int(spend.held + hold), 'heldOpusNanoUsd', int(spend.heldOpus + (isOpus and hold or 0)))
local affinity = hasSession and follow(keys.sticky, session, chosen.id, warmMs, stickyMs) or 'none'
return { 'ok', chosen.id, '1', expiresAtMs, claim(keys, reapLimit, claimMs),
  required and 'required' or affinity, claimedUntilMs, outcome.skipped }
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
    keyspace.load(platform),
    keyspace.platformLeases(platform),
    keyspace.orphans,
    keyspace.affinity(platform, keyId, input.affinityDigest ?? ''),
  ]
  const args = [
    input.poolVersion,
    input.keyRevision,
    input.ledgerId,
    platform,
    keyId,
    input.model,
    input.family,
    input.holdNanoUsd,
    input.leaseMs,
    input.probeMs,
    input.warmMs,
    input.concurrencyLimit,
    input.windowMs,
    input.windowRequests,
    input.activationMs,
    input.sessionKey === undefined ? '0' : '1',
    input.affinityDigest === undefined ? '0' : '1',
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
    ...candidateArgs(input.candidates),
  ]
  return decodeAdmit((await runScript(redis, script, keys, args)) as RawReply)
}
