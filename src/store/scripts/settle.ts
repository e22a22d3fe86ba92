/** `settle`: ends a request exactly once: releases its lease, books it, updates the account's health. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { defineScript, runScript } from '../script.ts'
import { budget, charge } from './budget.ts'
import type { AccountFailure } from './reassign.ts'
import { health, reap, time } from './shared.ts'

/** Names of the bucket fields that a charge belongs to, in the configured time zone. */
export interface Buckets {
  hour: string
  day: string
  month: string
  /** `week:` and the date of its Monday; names a budget's period, not a field of the books. */
  week: string
  /** Hour and day fields that sort below these are pruned when a new day begins. */
  hourPruneBefore: string
  dayPruneBefore: string
}

export interface SettleInput {
  ledgerId: string
  platform: string
  keyId: string
  accountId: string
  model: string
  /** `final` books; `void` releases and books nothing; `orphan` books an expired lease. */
  kind: 'final' | 'void' | 'orphan'
  /** The lease member that expired; only for `orphan`. */
  member?: string
  /** Packed sums to add (see `ledger.ts`); ignored for `void`. */
  amounts: string
  costNanoUsd: number
  /** Whether the cost counts towards the weekly budget for Opus models. */
  isOpus: boolean
  /** What the attempt says about the account; undefined says nothing. */
  verdict: 'success' | AccountFailure | undefined
  buckets: Buckets
}

/** `duplicate`: this request had ended before, and nothing changed. */
export type SettleReply = 'booked' | 'voided' | 'duplicate'

const script = defineScript(
  time,
  health,
  reap,
  budget,
  charge,
  `
local keys = { request = KEYS[1], counters = KEYS[2], keyLeases = KEYS[3], leases = KEYS[4],
  inflight = KEYS[5], health = KEYS[6], orphans = KEYS[7] }
local chargedBooks, bookedBooks = 8, 12
local kind, orphanMember, account, amounts, cost = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local verdict, failure = ARGV[6], { reason = ARGV[7], untilMs = tonumber(ARGV[8]), cooldownMs = tonumber(ARGV[9]), maxCooldownMs = tonumber(ARGV[10]) }
local buckets = { ARGV[11], ARGV[12], ARGV[13] }
local hourPruneBefore, dayPruneBefore, requestMs = ARGV[14], ARGV[15], ARGV[16]
local model, bookedAccount, bookedModel, week, opus = ARGV[17], ARGV[18], ARGV[19], ARGV[20], ARGV[21]

local function numbers(packed)
  local list = {}
  for number in packed:gmatch('[^:]+') do list[#list + 1] = tonumber(number) end
  return list
end
local function add(packed, deltas, sign)
  local sums = packed and numbers(packed) or {}
  for i = 1, #deltas do sums[i] = (sums[i] or 0) + sign * deltas[i] end
  for i = 1, #sums do sums[i] = int(sums[i]) end
  return table.concat(sums, ':')
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
  local deltas = numbers(packedDeltas)
  for i = firstBook, firstBook + 3 do
    local sums = redis.call('HMGET', KEYS[i], 'total', names[1], names[2], names[3])
    redis.call('HSET', KEYS[i], 'total', add(sums[1], deltas, sign), names[1], add(sums[2], deltas, sign),
      names[2], add(sums[3], deltas, sign), names[3], add(sums[4], deltas, sign))
    if sign > 0 and not sums[3] then prune(KEYS[i]) end
  end
end
local function modelOf(member) return member:match('^[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|(.*)$') or '' end
local function endLease(member)
  release(keys, member)
  redis.call('ZREM', keys.orphans, member)
  local wasHeld = redis.call('ZREM', keys.keyLeases, member) == 1
  -- Zero minus, not a sign in front: the store refuses "-0" as an integer.
  if wasHeld then
    local freed = int(0 - holdOf(member))
    redis.call('HINCRBY', keys.counters, 'heldNanoUsd', freed)
    if isOpus(modelOf(member)) then redis.call('HINCRBY', keys.counters, 'heldOpusNanoUsd', freed) end
  end
  return wasHeld
end
local function finish(state)
  redis.call('HSET', keys.request, 'state', state)
  redis.call('PEXPIRE', keys.request, requestMs)
end

local request = redis.call('HMGET', keys.request, 'state', 'member', 'startedMs', 'amounts', 'cost',
  'hour', 'day', 'month', 'account', 'model', 'week', 'opus')
local state, member = request[1], request[2]

if kind == 'orphan' then
  local wasHeld = endLease(orphanMember)
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
  charge(keys.counters, 0 - tonumber(request[5]), request[12] == '1', request[7], request[11] or week)
end

if state == 'admitted' then
  local startedMs = tonumber(request[3])
  if verdict == 'success' then recordSuccess(keys.health, account, startedMs) end
  if verdict == 'failure' then recordFailure(keys.health, account, startedMs, failure) end
end

if kind == 'void' then
  finish('void')
  return 'voided'
end
-- What ends the request comes first: were a number refused, a repeat would still book nothing twice.
redis.call('HSET', keys.request, 'account', account, 'model', model, 'amounts', amounts, 'cost', cost,
  'hour', buckets[1], 'day', buckets[2], 'month', buckets[3], 'week', week, 'opus', opus, 'settledAtMs', int(nowMs))
finish(kind == 'orphan' and 'orphaned' or 'settled')
charge(keys.counters, tonumber(cost), opus == '1', buckets[2], week)
bookInto(chargedBooks, buckets, amounts, 1)
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
    keyspace.inflight(platform),
    keyspace.health(platform),
    keyspace.orphans,
    ...booksOf(input),
    ...booksOf(booked),
  ]
  const args = [
    input.kind,
    input.member ?? '',
    input.accountId,
    input.amounts,
    input.costNanoUsd,
    verdictName,
    failure?.reason ?? '',
    failure?.untilMs ?? 0,
    failure?.cooldownMs ?? 0,
    failure?.maxCooldownMs ?? 0,
    buckets.hour,
    buckets.day,
    buckets.month,
    buckets.hourPruneBefore,
    buckets.dayPruneBefore,
    ttl.requestMs,
    input.model,
    booked.accountId,
    booked.model,
    buckets.week,
    input.isOpus ? '1' : '0',
  ]
  return (await runScript(redis, script, keys, args)) as SettleReply | ['elsewhere', string, string]
}
