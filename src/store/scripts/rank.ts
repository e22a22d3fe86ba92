/** `rank`: what an unmetered request has to know of the store: is its plan current, who cools down, who issued its id. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { health } from '../lua/health.ts'
import { time } from '../lua/time.ts'
import { session } from '../records/session.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'
import type { ReplyOf } from '../script-declaration.ts'

export interface RankInput {
  poolVersion: string
  keyRevision: string
  digest: string
  poolId: string
  keyId: string
  /** Digest of an id that only the account which issued it can serve; undefined without one. */
  affinityDigest: string | undefined
  /** Undefined: it belongs to no session. */
  sessionKey: string | undefined
  /** Life of the key counted from first use; 0 = does not end. */
  activationMs: number
  candidates: { accountId: string; family: string }[]
}

const script = defineScript({
  keys: ['apiKey', 'counters', 'health', 'affinity', 'sticky'],
  args: {
    poolVersion: 'text',
    keyRevision: 'text',
    activationMs: 'number',
    hasAffinity: 'flag',
    hasSession: 'flag',
  },
  argRows: { candidates: { accountId: 'text', family: 'text' } },
  replies: {
    ok: {
      /** The account that issued the id in the request; empty where none is known. */
      issuer: 'text',
      /** The account that serves the session now; empty where none does. */
      sessionAccount: 'text',
      cooling: [{ accountId: 'text', reason: 'text', untilMs: 'number' }],
      nowMs: 'number',
    },
    /** Planned with an old catalog: flat `field, value` rows of what changed, empty where nothing did. */
    stale: { pool: 'texts', apiKey: 'texts' },
    expired: { endedMs: 'number' },
  },
  libraries: [time, health, session.lua],
  lua: `
local poolIsCurrent = (stored[2] or '0') == args.poolVersion
local keyIsCurrent = (redis.call('HGET', keys.apiKey, 'revision') or '0') == args.keyRevision
if not (poolIsCurrent and keyIsCurrent) then
  return reply.stale({ pool = not poolIsCurrent and redis.call('HGETALL', keys.pool) or nil,
    apiKey = not keyIsCurrent and redis.call('HGETALL', keys.apiKey) or nil })
end
if args.activationMs > 0 then
  local activatedAtMs = integer(redis.call('HGET', keys.counters, 'activatedAtMs')) or nowMs
  if activatedAtMs + args.activationMs <= nowMs then return reply.expired({ endedMs = activatedAtMs + args.activationMs }) end
end
local fields, cooling = {}, {}
for i, candidate in ipairs(args.candidates) do
  fields[2 * i - 1] = candidate.accountId
  fields[2 * i] = healthField(candidate.accountId, candidate.family)
end
local records = #fields > 0 and redis.call('HMGET', keys.health, unpack(fields)) or {}
for i, candidate in ipairs(args.candidates) do
  for at = 2 * i - 1, 2 * i do
    local record = readHealth(records[at])
    if record and record.untilMs > nowMs then
      cooling[#cooling + 1] = { accountId = candidate.accountId, reason = record.reason, untilMs = record.untilMs }
    end
  end
end
local it = args.hasSession and readSession(redis.call('GET', keys.sticky)) or nil
return reply.ok({ issuer = args.hasAffinity and redis.call('GET', keys.affinity) or '',
  sessionAccount = it and it.current or '', cooling = cooling, nowMs = nowMs })
`,
})

export type RankReply = ReplyOf<(typeof script)['replies']>

/** Reads it in one round trip, and changes nothing. @throws the engine's error when the store cannot answer. */
export function rankScript(redis: Redis, keyspace: Keyspace, input: RankInput): Promise<RankReply> {
  const { poolId, keyId, affinityDigest, sessionKey } = input
  return runScript(redis, keyspace, script, {
    keys: {
      apiKey: keyspace.apiKey(input.digest),
      counters: keyspace.keyCounters(keyId),
      health: keyspace.health(poolId),
      affinity: keyspace.affinity(poolId, keyId, affinityDigest ?? ''),
      sticky: keyspace.sticky(poolId, keyId, sessionKey ?? ''),
    },
    args: {
      ...input,
      hasAffinity: affinityDigest !== undefined,
      hasSession: sessionKey !== undefined,
    },
  })
}
