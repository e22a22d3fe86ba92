/** `settle`: ends a request exactly once: releases its lease, books it, updates the account's health. */

import type { Redis } from '@upstash/redis'
import type { AccountFailure } from '../../domain/account-failure.ts'
import type { Buckets } from '../../domain/buckets.ts'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { charge } from '../lua/budget.ts'
import { failureArgs, health, readFailure } from '../lua/health.ts'
import { chargeLoad, load, reap } from '../lua/load.ts'
import { periods, time } from '../lua/shared.ts'
import { defineScript, runScript } from '../script.ts'

export interface SettleInput {
  ledgerId: string
  platform: string
  keyId: string
  accountId: string
  model: string
  /** Of the model that the account was asked for. */
  family: string
  /** `final` books; `void` releases and books nothing; `orphan` books an expired lease. */
  kind: 'final' | 'void' | 'orphan'
  /** The lease member that expired; only for `orphan`. */
  member?: string
  /** Packed sums to add (see `ledger.ts`); ignored for `void`. */
  amounts: string
  costNanoUsd: number
  /** What the attempt says about the account; undefined says nothing. */
  verdict: 'success' | AccountFailure | undefined
  buckets: Buckets
  /** The present day of the account, which begins at its `quotaResetTime`. */
  quotaDay: string
  /** What came of the request, as JSON; empty where nobody knows. */
  trace: string
  /** The client's own name for the request; undefined when it gave none. */
  requestName: string | undefined
  /** Digests of ids in the answer that only this account can serve. */
  issuedAffinities: string[]
  /** How long the marker of the request stays. */
  keepMs: number
}

/** `duplicate`: this request had ended before, and nothing changed. */
export type SettleReply = 'booked' | 'voided' | 'duplicate'

const script = defineScript(
  time,
  periods,
  health,
  readFailure,
  load,
  chargeLoad,
  reap,
  charge,
  `
local keys = { request = KEYS[1], counters = KEYS[2], keyLeases = KEYS[3], leases = KEYS[4],
  load = KEYS[5], health = KEYS[6], orphans = KEYS[7], requestName = KEYS[16] }
local chargedBooks, bookedBooks, firstAffinity = 8, 12, 17
local kind, orphanMember, account, amounts, cost = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local verdict, failure = ARGV[6], readFailure(7)
local buckets = { ARGV[12], ARGV[13], ARGV[14] }
local hourPruneBefore, dayPruneBefore, keepMs = ARGV[15], ARGV[16], ARGV[17]
local model, bookedAccount, bookedModel, week, family = ARGV[18], ARGV[19], ARGV[20], ARGV[21], ARGV[22]
local quotaDay, trace, ledgerId, hasName, affinityMs = ARGV[23], ARGV[24], ARGV[25], ARGV[26] == '1', ARGV[27]

-- The sums that change: of thirteen most are zero, and each costs two conversions in four books.
local function changesOf(packed, sign)
  local changes, i = {}, 0
  for number in packed:gmatch('[^:]+') do
    i = i + 1
    if number ~= '0' then changes[i] = sign * tonumber(number) end
  end
  return changes, i
end
local function add(packed, changes, count)
  local i = 0
  local sums = (packed or '0'):gsub('[^:]+', function(sum)
    i = i + 1
    return changes[i] and int(tonumber(sum) + changes[i])
  end)
  while i < count do
    i = i + 1
    sums = sums .. ':' .. int(changes[i] or 0)
  end
  return sums
end
local function prune(book)
  for _, field in ipairs(redis.call('HKEYS', book)) do
    local period = field:match('^(%a+):')
    if (period == 'hour' and field < hourPruneBefore) or (period == 'day' and field < dayPruneBefore) then
      redis.call('HDEL', book, field)
    end
  end
end
local function bookInto(firstBook, names, packedDeltas, sign)
  local changes, count = changesOf(packedDeltas, sign)
  for i = firstBook, firstBook + 3 do
    local sums = redis.call('HMGET', KEYS[i], 'total', names[1], names[2], names[3])
    redis.call('HSET', KEYS[i], 'total', add(sums[1], changes, count), names[1], add(sums[2], changes, count),
      names[2], add(sums[3], changes, count), names[3], add(sums[4], changes, count))
    if sign > 0 and not sums[3] then prune(KEYS[i]) end
  end
end
local function isOpus(member) return member:match('^[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|([^|]*)') == 'opus' end
local function endLease(member)
  release(keys, member)
  if redis.call('ZREM', keys.orphans, member) == 1 then dropHold(keys, member) end
  local wasHeld = redis.call('ZREM', keys.keyLeases, member) == 1
  -- Zero minus, not a sign in front: the store refuses "-0" as an integer.
  if wasHeld then
    local freed = int(0 - holdOf(member))
    redis.call('HINCRBY', keys.counters, 'heldNanoUsd', freed)
    if isOpus(member) then redis.call('HINCRBY', keys.counters, 'heldOpusNanoUsd', freed) end
  end
  return wasHeld
end
local function finish(state, ...)
  redis.call('HSET', keys.request, 'state', state, 'account', account, 'model', model, 'trace', trace, ...)
  redis.call('PEXPIRE', keys.request, keepMs)
  if hasName then redis.call('SET', keys.requestName, ledgerId, 'PX', keepMs) end
  saveLoads(keys.load)
end

local request = redis.call('HMGET', keys.request, 'state', 'member', 'startedMs', 'amounts', 'cost',
  'hour', 'day', 'month', 'account', 'model', 'week', 'family', 'quotaDay', 'claimedUntilMs', 'budgetPeriods')
local state, member = request[1], request[2]

if kind == 'orphan' then
  local wasHeld = endLease(orphanMember)
  saveLoads(keys.load)
  if state and (state ~= 'admitted' or member ~= orphanMember) then return 'duplicate' end
  -- No marker: the store was left alone for longer than it lives. Whoever ends the hold books it.
  if not state and not wasHeld then return 'duplicate' end
elseif state == 'settled' or state == 'void' then
  return 'duplicate'
elseif state == 'admitted' then
  endLease(member)
elseif state == 'orphaned' then
  if request[9] ~= bookedAccount or request[10] ~= bookedModel then
    return { 'elsewhere', request[9], request[10] }
  end
  bookInto(bookedBooks, { request[6], request[7], request[8] }, request[4], -1)
  takeBack(keys.counters, tonumber(request[5]), request[12] == 'opus', request[15] or '')
  chargeLoad(keys.load, bookedAccount, 0 - tonumber(request[5]), request[13] or quotaDay)
end

if state == 'admitted' then
  local startedMs = tonumber(request[3])
  if verdict == 'success' then recordSuccess(keys.health, account, family, startedMs) end
  if verdict == 'failure' then recordFailure(keys.health, account, family, startedMs, failure) end
  if (request[14] or '') ~= '' then endProbe(keys.health, accountOf(member), family, request[14]) end
end

if kind == 'void' then
  finish('void')
  return 'voided'
end
-- What ends the request comes first: were a number refused, a repeat would still book nothing twice.
local chargedDay = chargeLoad(keys.load, account, tonumber(cost), quotaDay)
local budgetPeriods = charge(keys.counters, tonumber(cost), family == 'opus', buckets[2], week)
finish(kind == 'orphan' and 'orphaned' or 'settled', 'budgetPeriods', budgetPeriods, 'amounts', amounts, 'cost', cost, 'hour', buckets[1],
  'day', buckets[2], 'month', buckets[3], 'week', week, 'family', family, 'quotaDay', chargedDay, 'settledAtMs', int(nowMs))
bookInto(chargedBooks, buckets, amounts, 1)
for i = firstAffinity, #KEYS do redis.call('SET', KEYS[i], account, 'PX', affinityMs) end
return 'booked'
`,
)

/**
 * Ends the request; safe to repeat. It takes one round trip, and a second one where an orphan has to be
 * taken back from the books of another account or model than the settlement names.
 * @throws the engine's error when it cannot answer.
 */
export async function settleScript(
  redis: Redis,
  keyspace: Keyspace,
  input: SettleInput,
): Promise<SettleReply> {
  const reply = await run(redis, keyspace, input, input)
  if (typeof reply === 'string') return reply
  const [, accountId, model] = reply
  const corrected = await run(redis, keyspace, input, { accountId, model })
  // A receipt leaves the state orphaned only for good.
  return typeof corrected === 'string' ? corrected : 'duplicate'
}

type Booked = Pick<SettleInput, 'accountId' | 'model'>

async function run(redis: Redis, keyspace: Keyspace, input: SettleInput, booked: Booked) {
  const { platform, keyId, verdict, buckets } = input
  const failure = typeof verdict === 'object' ? verdict : undefined
  const verdictName = failure ? 'failure' : verdict === 'success' ? 'success' : ''
  const booksOf = ({ accountId, model }: Booked) => [
    keyspace.books.key(keyId),
    keyspace.books.account(accountId),
    keyspace.books.model(model),
    keyspace.books.keyModel(keyId, model),
  ]
  const keys = [
    keyspace.request(input.ledgerId),
    keyspace.keyCounters(keyId),
    keyspace.keyLeases(keyId),
    keyspace.platformLeases(platform),
    keyspace.load(platform),
    keyspace.health(platform),
    keyspace.orphans,
    ...booksOf(input),
    ...booksOf(booked),
    keyspace.requestName(input.requestName ?? ''),
    ...input.issuedAffinities.map((digest) => keyspace.affinity(platform, keyId, digest)),
  ]
  const args = [
    input.kind,
    input.member ?? '',
    input.accountId,
    input.amounts,
    input.costNanoUsd,
    verdictName,
    ...failureArgs(failure),
    buckets.hour,
    buckets.day,
    buckets.month,
    buckets.hourPruneBefore,
    buckets.dayPruneBefore,
    input.keepMs,
    input.model,
    booked.accountId,
    booked.model,
    buckets.week,
    input.family,
    input.quotaDay,
    input.trace,
    input.ledgerId,
    input.requestName === undefined ? '0' : '1',
    ttl.affinityMs,
  ]
  return (await runScript(redis, script, keys, args)) as SettleReply | ['elsewhere', string, string]
}
