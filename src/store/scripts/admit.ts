/** `admit`: one atomic decision whether a request may run, and on which account. */
import type { Redis } from '@upstash/redis'
import { type Affinity, affinities } from '../../domain/affinity.ts'
import type { Candidate } from '../../domain/candidate.ts'
import { type CalendarPeriod, keyLimits, type PerLimit } from '../../domain/limits.ts'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { budget, counters, limitFields, periodFields } from '../lua/budget.ts'
import { candidateFields, choose, noneFields, skippedFields } from '../lua/choose.ts'
import { health } from '../lua/health.ts'
import { leases, load } from '../lua/load.ts'
import { queue, queueFields, waitFields } from '../lua/queue.ts'
import { sticky } from '../lua/sticky.ts'
import { periods, time } from '../lua/time.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'
import { oneOf, type ReplyOf } from '../script-declaration.ts'

export interface AdmitInput {
  poolVersion: string
  keyRevision: string
  digest: string
  ledgerId: string
  poolId: string
  keyId: string
  /** Undefined: the request belongs to no session. */
  sessionKey: string | undefined
  /** Digest of an id that only the account which issued it can serve; undefined without one. */
  affinityDigest: string | undefined
  model: string
  /** Of the models that it may become; a budget may count one family only. */
  family: string
  reservationNanoUsd: number
  leaseMs: number
  /** How long other requests do not get a recovering account while it is probed. */
  probeMs: number
  /** How long the prompt cache of a session's primary account is expected to be warm. */
  warmMs: number
  windowMs: number
  /** The names of the present calendar periods, as `bucketsAt` gives them. */
  periods: Record<CalendarPeriod, string>
  /** Requests, or nano-USD for a cost; 0 = no limit. */
  limits: PerLimit<number>
  /** Life counted from first use; 0 = does not end. */
  activationMs: number
  /** Where it stands among requests of its key that wait for their turn. */
  queue: { ticket: string; ticketMs: number }
  candidates: Candidate[]
}

/** Orphans handed out, and leases reaped, by one call at most. */
const reapLimit = 5
/** Both are looked for by the first admission of a key in so long: they are left by processes that ended. */
const reapEveryMs = 1_000

/** `expired`: the life of the key has ended; any other cause is a limit of it. */
const denyCauses = ['expired', ...keyLimits.map(({ cause }) => cause)] as const

const script = defineScript({
  keys: [
    'apiKey',
    'counters',
    'keyLeases',
    'waiting',
    'request',
    'sticky',
    'health',
    'load',
    'leases',
    'orphans',
    'affinity',
  ],
  args: {
    poolVersion: 'text',
    keyRevision: 'text',
    ledgerId: 'text',
    poolId: 'text',
    keyId: 'text',
    model: 'text',
    family: 'text',
    reservationNanoUsd: 'number',
    leaseMs: 'number',
    probeMs: 'number',
    warmMs: 'number',
    windowMs: 'number',
    activationMs: 'number',
    hasSession: 'flag',
    hasAffinity: 'flag',
    periods: periodFields,
    limits: limitFields,
    queue: queueFields,
  },
  argRows: { candidates: candidateFields },
  replies: {
    ok: {
      accountId: 'text',
      /** Counts the accounts this request was given, from 1. */
      generation: 'number',
      expiresAtMs: 'number',
      affinity: oneOf(affinities),
      /** The account's cooldown has just ended, and this request alone tries it. */
      isProbe: 'flag',
      skipped: [skippedFields],
      /** Lease members that are the caller's to settle. */
      orphans: 'texts',
    },
    /** Planned with an old catalog: flat `field, value` rows of what changed, empty where nothing did. */
    stale: { pool: 'texts', apiKey: 'texts' },
    deny: {
      cause: oneOf(denyCauses),
      /** Requests, or nano-USD for a cost. */
      limit: 'number',
      used: 'number',
      /** When it ends by itself, where the script knows; else 0. */
      resetMs: 'number',
      nowMs: 'number',
      /** More than 0: the budget is not spent, but others in flight have reserved what is left of it. */
      reservedNanoUsd: 'number',
    },
    none: noneFields,
    /** The key has as many in flight as it may: ask again, with this ticket. */
    wait: waitFields,
    /** This ledger id was settled or voided before, or its lease has expired and was reaped. */
    gone: {},
  },
  libraries: [time, periods, health, load, choose, leases, queue, sticky, counters, budget],
  lua: `
local poolIsCurrent = (stored[2] or '0') == args.poolVersion
local keyIsCurrent = (redis.call('HGET', keys.apiKey, 'revision') or '0') == args.keyRevision
if not (poolIsCurrent and keyIsCurrent) then
  return reply.stale({ pool = not poolIsCurrent and redis.call('HGETALL', keys.pool) or nil,
    apiKey = not keyIsCurrent and redis.call('HGETALL', keys.apiKey) or nil })
end

local replay = redis.call('HMGET', keys.request, 'state', 'account', 'generation', 'expiresAtMs', 'member')
if replay[1] then
  -- A reaped lease stays reaped: its account may be serving others in its place.
  local isLeased = replay[1] == 'admitted' and redis.call('ZSCORE', keys.leases, replay[5])
  if not isLeased then return reply.gone({}) end
  return reply.ok({ accountId = replay[2], generation = replay[3], expiresAtMs = replay[4], affinity = 'none' })
end

local counters = readCounters(keys)
local activatedAtMs = integer(counters.activatedAtMs) or nowMs
if args.activationMs > 0 and activatedAtMs + args.activationMs <= nowMs then
  return reply.deny({ cause = 'expired', resetMs = activatedAtMs + args.activationMs, nowMs = nowMs })
end

local mayReap = math.abs(nowMs - numberIn(counters, 'lastUsedAtMs')) >= ${reapEveryMs}
if mayReap then reap(keys, ${reapLimit}) end

local limits, isOpus, reservation = args.limits, args.family == 'opus', args.reservationNanoUsd
local windowEndsMs, used, windowCost = numberIn(counters, 'windowEndsMs'), numberIn(counters, 'windowRequests'), numberIn(counters, 'windowCostNanoUsd')
if args.windowMs > 0 then
  -- A window that ends later than a fresh one would is left from a longer setting.
  if windowEndsMs <= nowMs or windowEndsMs > nowMs + args.windowMs then windowEndsMs, used, windowCost = nowMs + args.windowMs, 0, 0 end
  if limits.rateLimitRequests > 0 and used >= limits.rateLimitRequests then
    return reply.deny({ cause = 'window', limit = limits.rateLimitRequests, used = used, resetMs = windowEndsMs, nowMs = nowMs })
  end
end

local reserved, reservedOpus = numberIn(counters, 'heldNanoUsd'), numberIn(counters, 'heldOpusNanoUsd')
local onlyReserved
for i = #budgets, 1, -1 do
  local budget = budgets[i]
  if not budget.family or budget.family == args.family then
    local spent = spentOf(budget, counters, args.periods, windowCost)
    local refusal = refuseCost(budget, limits[budget.field], spent, budget.family and reservedOpus or reserved, reservation,
      budget.period == 'window' and windowEndsMs or 0)
    if refusal and spent >= limits[budget.field] then return refusal end
    onlyReserved = onlyReserved or refusal
  end
end
-- A reservation ends with its request: a request that waits for its turn may find that it is gone.
local refusal = awaitTurn(keys, args, limits.concurrencyLimit) or onlyReserved
if refusal then return refusal end

local required = requiredAccount(keys, args)
local session = args.hasSession and readSession(redis.call('GET', keys.sticky)) or nil
local outcome = choose(keys, args.candidates, reservation, preferredAccounts(session, args.warmMs), required)
local chosen = outcome.best
if not chosen then return reply.none(noneOf(outcome)) end

local claimedUntilMs = take(keys, outcome, args.probeMs, reservation)
local expiresAtMs = int(nowMs + args.leaseMs)
local member = packLease({ ledgerId = args.ledgerId, poolId = args.poolId, keyId = args.keyId, accountId = chosen.id,
  generation = 1, reservationNanoUsd = reservation, family = args.family, model = args.model })
redis.call('ZADD', keys.leases, expiresAtMs, member)
redis.call('ZADD', keys.keyLeases, expiresAtMs, member)
-- It gets a lifetime when it is settled, as every lease is in the end.
redis.call('HSET', keys.request, 'state', 'admitted', 'account', chosen.id, 'generation', '1',
  'expiresAtMs', expiresAtMs, 'startedMs', int(nowMs), 'member', member, 'claimedUntilMs', claimedUntilMs)
redis.call('HSET', keys.counters, 'activatedAtMs', int(activatedAtMs), 'lastUsedAtMs', int(nowMs),
  'windowEndsMs', int(windowEndsMs), 'windowRequests', int(used + 1), 'windowCostNanoUsd', int(windowCost),
  'heldNanoUsd', int(reserved + reservation), 'heldOpusNanoUsd', int(reservedOpus + (isOpus and reservation or 0)))
local affinity = args.hasSession and follow(keys, session, chosen.id, args.warmMs) or 'none'
return reply.ok({ accountId = chosen.id, generation = 1, expiresAtMs = expiresAtMs,
  affinity = required and 'required' or affinity, isProbe = claimedUntilMs ~= '', skipped = outcome.skipped,
  orphans = mayReap and claim(keys, ${reapLimit}, ${ttl.orphanClaimMs}) })
`,
})

export type AdmitReply = ReplyOf<(typeof script)['replies']>
export type DenyReply = Extract<AdmitReply, { kind: 'deny' }>
/** The request is to wait for its turn. */
export type WaitReply = Extract<AdmitReply, { kind: 'wait' }>
/** No candidate can serve now. */
export type NoneReply = Extract<AdmitReply, { kind: 'none' }>

/** An account to send a request to. */
export interface Assignment {
  accountId: string
  generation: number
  expiresAtMs: number
  affinity: Affinity
  isProbe: boolean
  skipped: NoneReply['skipped']
}

/** Decides `input` in one round trip. @throws the engine's error when the store cannot answer. */
export function admitScript(
  redis: Redis,
  keyspace: Keyspace,
  input: AdmitInput,
): Promise<AdmitReply> {
  const { poolId, keyId, sessionKey, affinityDigest } = input
  return runScript(redis, keyspace, script, {
    keys: {
      apiKey: keyspace.apiKey(input.digest),
      counters: keyspace.keyCounters(keyId),
      keyLeases: keyspace.keyLeases(keyId),
      waiting: keyspace.waiting(keyId),
      request: keyspace.request(input.ledgerId),
      sticky: keyspace.sticky(poolId, keyId, sessionKey ?? ''),
      health: keyspace.health(poolId),
      load: keyspace.load(poolId),
      leases: keyspace.poolLeases(poolId),
      orphans: keyspace.orphans,
      affinity: keyspace.affinity(poolId, keyId, affinityDigest ?? ''),
    },
    args: {
      ...input,
      hasSession: sessionKey !== undefined,
      hasAffinity: affinityDigest !== undefined,
    },
  })
}
