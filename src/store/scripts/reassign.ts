/** `reassign`: records why an attempt failed and moves its lease to the next account, at once. */

import type { Redis } from '@upstash/redis'
import type { AccountFailure } from '../../domain/account-failure.ts'
import type { Affinity } from '../../domain/affinity.ts'
import type { Candidate } from '../../domain/candidate.ts'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import {
  candidateArgs,
  choose,
  decodeNone,
  decodeSkipped,
  type NoneReply,
  type RawNone,
} from '../lua/choose.ts'
import { failureArgs, health, readFailure } from '../lua/health.ts'
import { load, reap } from '../lua/load.ts'
import { periods, time } from '../lua/shared.ts'
import { sticky } from '../lua/sticky.ts'
import { defineScript, runScript } from '../script.ts'
import type { Assignment } from './admit-reply.ts'

export interface ReassignInput {
  ledgerId: string
  platform: string
  keyId: string
  sessionKey: string | undefined
  /** Generation of the attempt that failed; a replay gets the answer it missed. */
  generation: number
  failure: AccountFailure
  /** Of the model that the failed account was asked for. */
  family: string
  leaseMs: number
  probeMs: number
  warmMs: number
  /** How long the account rests at most while nobody else is free; 0 = as long as it would. */
  loneCooldownMs: number
  /** Accounts not tried yet; without any the failure is recorded all the same. */
  candidates: Candidate[]
}

/** `restsUntilMs`: when the account that failed is tried again; 0 when the answer is a repeated one. */
export type ReassignReply =
  | ({ kind: 'ok'; restsUntilMs: number } & Assignment)
  | (NoneReply & { restsUntilMs: number })
  /** Settled, voided or orphaned meanwhile: nothing may be sent for it any more. */
  | { kind: 'gone' }

const script = defineScript(
  time,
  periods,
  health,
  readFailure,
  load,
  choose,
  reap,
  sticky,
  `
local keys = { request = KEYS[1], keyLeases = KEYS[2], sticky = KEYS[3], health = KEYS[4],
  load = KEYS[5], leases = KEYS[6] }
local generation, family = tonumber(ARGV[1]), ARGV[2]
local failure = readFailure(3)
local leaseMs, probeMs, warmMs, hasSession = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11] == '1'
local stickyMs, requestMs, loneMs = ARGV[12], tonumber(ARGV[13]), tonumber(ARGV[14])
local count, first = tonumber(ARGV[15]), 16

local request = redis.call('HMGET', keys.request, 'state', 'generation', 'account', 'member', 'startedMs', 'expiresAtMs', 'claimedUntilMs')
if request[1] ~= 'admitted' then return { 'gone' } end
local account, member, startedMs = request[3], request[4], tonumber(request[5])
local isLeased = redis.call('ZSCORE', keys.leases, member)
if tonumber(request[2]) > generation then
  return isLeased and { 'ok', account, request[2], request[6], 'none', '', {}, '0' } or { 'gone' }
end

local restsUntilMs = recordFailure(keys.health, account, family, startedMs, failure)
-- A failure of the family says nothing of the whole account, which may have been on trial as well.
if (request[7] or '') ~= '' then endProbe(keys.health, account, family, request[7]) end
if not isLeased then return { 'gone' } end
local session = hasSession and readSticky(redis.call('GET', keys.sticky)) or nil
leave(session, account, startedMs)
local hold = holdOf(member)
local outcome = choose(keys, first, count, hold, stickyWishes(session, warmMs), nil)
local chosen = outcome.best
if not chosen then
  stayHome(keys.sticky, session, account, stickyMs)
  -- An account that nobody can stand in for is asked again soon, however often it failed.
  if loneMs > 0 then restsUntilMs = shortenRest(keys.health, account, family, failure, loneMs) end
  local reply = none(outcome)
  reply[#reply + 1] = int(restsUntilMs)
  return reply
end

local nextGeneration = int(generation + 1)
local head, rest = member:match('^([^|]*|[^|]*|[^|]*|)[^|]*|[^|]*(|.*)$')
local moved = head .. chosen.id .. '|' .. nextGeneration .. rest
local expiresAtMs = int(nowMs + leaseMs)
release(keys, member)
local claimedUntilMs = take(keys, outcome, probeMs, hold)
redis.call('ZADD', keys.leases, expiresAtMs, moved)
redis.call('ZREM', keys.keyLeases, member)
redis.call('ZADD', keys.keyLeases, expiresAtMs, moved)
redis.call('HSET', keys.request, 'account', chosen.id, 'generation', nextGeneration,
  'expiresAtMs', expiresAtMs, 'startedMs', int(nowMs), 'member', moved, 'claimedUntilMs', claimedUntilMs)
redis.call('PEXPIRE', keys.request, int(leaseMs + requestMs))
local affinity = hasSession and follow(keys.sticky, session, chosen.id, warmMs, stickyMs) or 'none'
return { 'ok', chosen.id, nextGeneration, expiresAtMs, affinity, claimedUntilMs, outcome.skipped, int(restsUntilMs) }
`,
)

type RawReply =
  | ['ok', string, string, string, Affinity, string, string[], string]
  | [...RawNone, string]
  | ['gone']

/** Moves the request on in one round trip. @throws the engine's error when the store cannot answer. */
export async function reassignScript(
  redis: Redis,
  keyspace: Keyspace,
  input: ReassignInput,
): Promise<ReassignReply> {
  const { platform, keyId } = input
  const keys = [
    keyspace.request(input.ledgerId),
    keyspace.keyLeases(keyId),
    keyspace.sticky(platform, keyId, input.sessionKey ?? ''),
    keyspace.health(platform),
    keyspace.load(platform),
    keyspace.platformLeases(platform),
  ]
  const args = [
    input.generation,
    input.family,
    ...failureArgs(input.failure),
    input.leaseMs,
    input.probeMs,
    input.warmMs,
    input.sessionKey === undefined ? '0' : '1',
    ttl.stickyMs,
    ttl.requestMs,
    input.loneCooldownMs,
    ...candidateArgs(input.candidates),
  ]
  return decodeReply((await runScript(redis, script, keys, args)) as RawReply)
}

function decodeReply(reply: RawReply): ReassignReply {
  if (reply[0] === 'gone') return { kind: 'gone' }
  if (reply[0] === 'none') {
    const [kind, soonestMs, cooling, limited, probing, full, spent, nowMs, ...rest] = reply
    const [skipped, restsUntilMs] = rest
    const none = decodeNone([
      kind,
      soonestMs,
      cooling,
      limited,
      probing,
      full,
      spent,
      nowMs,
      skipped,
    ])
    return { ...none, restsUntilMs: Number(restsUntilMs) }
  }
  const [kind, accountId, generation, expiresAtMs, affinity, claimed, skipped, restsUntilMs] = reply
  return {
    kind,
    accountId,
    generation: Number(generation),
    expiresAtMs: Number(expiresAtMs),
    affinity,
    isProbe: claimed !== '',
    skipped: decodeSkipped(skipped),
    restsUntilMs: Number(restsUntilMs),
  }
}
