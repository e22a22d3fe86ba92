/** `reassign`: records why an attempt failed and moves its lease to the next account, at once. */
import type { Redis } from '@upstash/redis'
import type { AccountFailure } from '../../domain/account-failure.ts'
import { affinities } from '../../domain/affinity.ts'
import type { Candidate } from '../../domain/candidate.ts'
import type { GrowingCooldown } from '../../domain/cooldowns.ts'
import type { Keyspace } from '../keyspace.ts'
import {
  candidateArgs,
  candidateFields,
  candidates,
  kindFields,
  organisationText,
} from '../lua/candidates.ts'
import { choose, noneFields, skippedFields } from '../lua/choose.ts'
import { failureFields, health, healthChangeFields } from '../lua/health.ts'
import { leases, load } from '../lua/load.ts'
import { sticky } from '../lua/sticky.ts'
import { periods, time } from '../lua/time.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'
import { oneOf, type ReplyOf } from '../script-declaration.ts'

export interface ReassignInput {
  ledgerId: string
  poolId: string
  keyId: string
  sessionKey: string | undefined
  /** Generation of the attempt that failed; a replay gets the answer it missed. */
  generation: number
  failure: AccountFailure
  /** Of the model that the failed account was asked for. */
  family: string
  /** Of the account that failed, as its candidates name theirs. */
  organisation?: number | undefined
  leaseMs: number
  probeMs: number
  warmMs: number
  /** The cooldown of the account while no other is available; undefined = as it would be. */
  onlyAccountCooldown: GrowingCooldown | undefined
  /**
   * Accounts that may be asked next; without any the failure is recorded all the same. The one that
   * failed may be among them: then it is asked again as soon as it does not cool down.
   */
  candidates: Candidate[]
}

const script = defineScript({
  keys: ['request', 'keyLeases', 'sticky', 'health', 'load', 'leases'],
  args: {
    generation: 'number',
    family: 'text',
    organisation: 'text',
    failure: failureFields,
    leaseMs: 'number',
    probeMs: 'number',
    warmMs: 'number',
    hasSession: 'flag',
    only: { cooldownMs: 'number', maxCooldownMs: 'number' },
    candidates: candidateFields,
  },
  argRows: { kinds: kindFields },
  replies: {
    ok: {
      accountId: 'text',
      generation: 'number',
      expiresAtMs: 'number',
      affinity: oneOf(affinities),
      isProbe: 'flag',
      skipped: [skippedFields],
      /** When the account that failed is tried again; 0 when the answer is a repeated one. */
      cooldownUntilMs: 'number',
      healthChanges: [healthChangeFields],
    },
    none: { ...noneFields, cooldownUntilMs: 'number', healthChanges: [healthChangeFields] },
    /** Settled, voided or orphaned meanwhile: nothing may be sent for it any more. */
    gone: { healthChanges: [healthChangeFields] },
  },
  libraries: [time, periods, health, load, candidates, choose, leases, sticky],
  lua: `
local request = redis.call('HMGET', keys.request, 'state', 'generation', 'account', 'member', 'startedMs', 'expiresAtMs', 'claimedUntilMs')
if request[1] ~= 'admitted' then return reply.gone({}) end
local account, member, startedMs = request[3], request[4], tonumber(request[5])
local isLeased = redis.call('ZSCORE', keys.leases, member)
if tonumber(request[2]) > args.generation then
  if not isLeased then return reply.gone({}) end
  return reply.ok({ accountId = account, generation = request[2], expiresAtMs = request[6], affinity = 'none' })
end

local cooldownUntilMs = recordFailure(keys, account, args.family, startedMs, args.failure)
-- A failure of the family says nothing of the whole account, which may have been probed as well.
if (request[7] or '') ~= '' then endProbe(keys, account, args.family, request[7]) end
if not isLeased then return reply.gone({ healthChanges = healthChanges }) end
local session = args.hasSession and readSession(redis.call('GET', keys.sticky)) or nil
forgetServing(session, account, startedMs)
local lease = readLease(member)
local reservation = lease.reservationNanoUsd
-- Its own place must not keep it from the same account.
leaveAccount(keys, member)
dropReservation(keys, member)
local preferred = preferredAccounts(session, args.warmMs)
preferred.organisation = args.hasSession and args.organisation or ''
local outcome = choose(keys, allCandidates(args, args.candidates.rows), reservation, preferred, true)
local chosen = outcome.best
if not chosen then
  loads = {}
  stayWithPrimary(keys, session, account)
  if args.only.cooldownMs > 0 then
    cooldownUntilMs = shortenCooldown(keys, account, args.family, args.failure, args.only)
  end
  local fields = noneOf(outcome)
  fields.cooldownUntilMs, fields.healthChanges = cooldownUntilMs, healthChanges
  return reply.none(fields)
end

-- It has gone nowhere meanwhile, whatever was noted in case it ended here.
if session and chosen.id == account and session.current == session.primary then session.current = account end
lease.accountId, lease.generation = chosen.id, args.generation + 1
local moved = packLease(lease)
local expiresAtMs = int(nowMs + args.leaseMs)
redis.call('ZREM', keys.leases, member)
local claimedUntilMs = take(keys, outcome, args.probeMs, reservation)
redis.call('ZADD', keys.leases, expiresAtMs, moved)
redis.call('ZREM', keys.keyLeases, member)
redis.call('ZADD', keys.keyLeases, expiresAtMs, moved)
redis.call('HSET', keys.request, 'account', chosen.id, 'generation', int(lease.generation),
  'expiresAtMs', expiresAtMs, 'startedMs', int(nowMs), 'member', moved, 'claimedUntilMs', claimedUntilMs)
local affinity = args.hasSession and follow(keys, session, chosen.id, args.warmMs) or 'none'
return reply.ok({ accountId = chosen.id, generation = lease.generation, expiresAtMs = expiresAtMs, affinity = affinity,
  isProbe = claimedUntilMs ~= '', skipped = outcome.skipped, cooldownUntilMs = cooldownUntilMs, healthChanges = healthChanges })
`,
})

export type ReassignReply = ReplyOf<(typeof script)['replies']>

/** Moves the request on in one round trip. @throws the engine's error when the store cannot answer. */
export function reassignScript(
  redis: Redis,
  keyspace: Keyspace,
  input: ReassignInput,
): Promise<ReassignReply> {
  const { poolId, keyId, sessionKey } = input
  return runScript(redis, keyspace, script, {
    keys: {
      request: keyspace.request(input.ledgerId),
      keyLeases: keyspace.keyLeases(keyId),
      sticky: keyspace.sticky(poolId, keyId, sessionKey ?? ''),
      health: keyspace.health(poolId),
      load: keyspace.load(poolId),
      leases: keyspace.poolLeases(poolId),
    },
    args: {
      ...input,
      ...candidateArgs(input.candidates),
      organisation: organisationText(input.organisation),
      only: input.onlyAccountCooldown ?? { cooldownMs: 0, maxCooldownMs: 0 },
      hasSession: sessionKey !== undefined,
    },
  })
}
