/** Lua: the body of `admit`, which decides whether a request may run, and on which account. */
import { ttl } from '../keyspace.ts'

/** Orphans handed out, and leases reaped, by one call at most. */
const reapLimit = 5
/** Both are looked for by the first admission of a key in so long: they are left by processes that ended. */
const reapEveryMs = 1_000

/** See `scripts/admit.ts` for its keys, arguments and answers. */
export const admitLua = `
local rows, roster = args.candidates.rows, args.candidates.roster
if roster ~= '' then
  rows = (stored[3] or ''):sub(1, #roster + 1) == roster .. '\\n' and stored[3]
end
local poolIsCurrent = (stored[2] or '0') == args.poolVersion and rows
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
local spentOfBudgets = {}
for i = #budgets, 1, -1 do
  local budget = budgets[i]
  if not budget.family or budget.family == args.family then
    local spent = spentOf(budget, counters, args.periods, windowCost)
    if limits[budget.field] > 0 then spentOfBudgets[i] = int(spent) end
    local refusal = refuseCost(budget, limits[budget.field], spent, budget.family and reservedOpus or reserved, reservation,
      budget.period == 'window' and windowEndsMs or 0)
    if refusal and spent >= limits[budget.field] then return refusal end
    onlyReserved = onlyReserved or refusal
  end
end
local session = args.hasSession and readSession(redis.call('GET', keys.sticky)) or nil
local issuer = requiredAccount(keys, args, session)
local required = issuer and findCandidate(args, rows, issuer)
if issuer and not required then return reply.issuerGone({ accountId = issuer }) end
-- A reservation ends with its request: a request that waits for its turn may find that it is gone.
local refusal = awaitTurn(keys, args, limits.concurrencyLimit) or onlyReserved
if refusal then return refusal end

local preferred = preferredAccounts(session, args.warmMs)
local outcome = chooseFrom(keys, args, rows, reservation, preferred, required)
local chosen = outcome.best
if not chosen then
  outcome.isRequired = required ~= nil
  return reply.none(noneOf(outcome))
end

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
local spentTexts = {}
if next(spentOfBudgets) then
  for i = 1, #budgets do spentTexts[i] = spentOfBudgets[i] or '' end
end
local affinity = args.hasSession and follow(keys, session, chosen.id, args.warmMs) or 'none'
return reply.ok({ accountId = chosen.id, generation = 1, expiresAtMs = expiresAtMs,
  windowRequests = used + 1, windowEndsMs = windowEndsMs, spent = spentTexts,
  affinity = required and 'required' or affinity, isProbe = claimedUntilMs ~= '', skipped = outcome.skipped,
  orphans = mayReap and claim(keys, ${reapLimit}, ${ttl.orphanClaimMs}) })
`
