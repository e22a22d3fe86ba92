/** `reassign`: records why an attempt failed and moves its lease to the next account, at once. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { defineScript, runScript } from '../script.ts'
import { type Candidate, candidateArgs } from './admit.ts'
import { choose, decodeNone, health, type NoneReply, reap, time } from './shared.ts'

/** What a failed attempt does to the health of its account. */
export interface AccountFailure {
  /** Stable word for admins, such as `rate_limited`. */
  reason: string
  /** The end the vendor named, or 0: then the cooldown grows with each failure in a row. */
  untilMs: number
  cooldownMs: number
  maxCooldownMs: number
}

export interface ReassignInput {
  ledgerId: string
  platform: string
  keyId: string
  sessionKey: string | undefined
  /** Generation of the attempt that failed; a replay gets the answer it missed. */
  generation: number
  failure: AccountFailure
  leaseMs: number
  probeMs: number
  /** Accounts not tried yet. */
  candidates: Candidate[]
}

export type ReassignReply =
  | { kind: 'ok'; accountId: string; generation: number; expiresAtMs: number }
  | NoneReply
  /** Settled, voided or orphaned meanwhile: nothing may be sent for it any more. */
  | { kind: 'gone' }

const script = defineScript(
  time,
  health,
  choose,
  reap,
  `
local keys = { request = KEYS[1], keyLeases = KEYS[2], sticky = KEYS[3], health = KEYS[4],
  inflight = KEYS[5], picked = KEYS[6], leases = KEYS[7] }
local generation = tonumber(ARGV[1])
local failure = { reason = ARGV[2], untilMs = tonumber(ARGV[3]), cooldownMs = tonumber(ARGV[4]), maxCooldownMs = tonumber(ARGV[5]) }
local leaseMs, probeMs, hasSession = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == '1'
local stickyMs, requestMs, count, first = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11]), 12

local request = redis.call('HMGET', keys.request, 'state', 'generation', 'account', 'member', 'startedMs', 'expiresAtMs')
if request[1] ~= 'admitted' then return { 'gone' } end
local account, member = request[3], request[4]
local isLeased = redis.call('ZSCORE', keys.leases, member)
if tonumber(request[2]) > generation then
  return isLeased and { 'ok', account, request[2], request[6] } or { 'gone' }
end

recordFailure(keys.health, account, tonumber(request[5]), failure)
if not isLeased then return { 'gone' } end
local outcome = choose(keys, first, count, false)
local chosen = outcome.best
if not chosen then return none(outcome) end

local nextGeneration = int(generation + 1)
local head, rest = member:match('^([^|]*|[^|]*|[^|]*|)[^|]*|[^|]*(|.*)$')
local moved = head .. chosen.id .. '|' .. nextGeneration .. rest
local expiresAtMs = int(nowMs + leaseMs)
release(keys, member)
take(keys, chosen, probeMs)
redis.call('ZADD', keys.leases, expiresAtMs, moved)
redis.call('ZREM', keys.keyLeases, member)
redis.call('ZADD', keys.keyLeases, expiresAtMs, moved)
redis.call('HSET', keys.request, 'account', chosen.id, 'generation', nextGeneration,
  'expiresAtMs', expiresAtMs, 'startedMs', int(nowMs), 'member', moved)
redis.call('PEXPIRE', keys.request, int(leaseMs + requestMs))
if hasSession then redis.call('SET', keys.sticky, chosen.id, 'PX', stickyMs) end
return { 'ok', chosen.id, nextGeneration, expiresAtMs }
`,
)

/** Moves the request on in one round trip. @throws the engine's error when the store cannot answer. */
export async function reassignScript(
  redis: Redis,
  keyspace: Keyspace,
  input: ReassignInput,
): Promise<ReassignReply> {
  const { platform, keyId, failure } = input
  const keys = [
    keyspace.request(input.ledgerId),
    keyspace.keyLeases(keyId),
    keyspace.sticky(platform, keyId, input.sessionKey ?? ''),
    keyspace.health(platform),
    keyspace.inflight(platform),
    keyspace.picked(platform),
    keyspace.platformLeases(platform),
  ]
  const args = [
    input.generation,
    failure.reason,
    failure.untilMs,
    failure.cooldownMs,
    failure.maxCooldownMs,
    input.leaseMs,
    input.probeMs,
    input.sessionKey === undefined ? '0' : '1',
    ttl.stickyMs,
    ttl.requestMs,
    ...candidateArgs(input.candidates),
  ]
  const reply = (await runScript(redis, script, keys, args)) as string[]
  const [kind, first = '', second = '', third = ''] = reply
  if (kind === 'gone') return { kind }
  if (kind === 'none') return decodeNone(reply)
  return {
    kind: 'ok',
    accountId: first,
    generation: Number(second),
    expiresAtMs: Number(third),
  }
}
