/** Writes to the catalog: each checks the revision it was made from, bumps what readers compare, and records itself. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { time } from '../lua/shared.ts'
import { defineScript, runScript } from '../script.ts'
import { audit } from './audit.ts'

/** `conflict`: the record is not at the expected revision any more, or exists already. */
export type WriteReply = 'ok' | 'conflict'

/** The pool's version is the store's clock in microseconds, so that a wiped store never repeats one. */
const bump = `
local function bump(pool)
  local version = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
  local current = tonumber(redis.call('HGET', pool, 'version') or '0')
  redis.call('HSET', pool, 'version', int(math.max(version, current + 1)))
end
`

const writeAccount = defineScript(
  time,
  bump,
  audit,
  `
local pool, field, expected, record = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local current = redis.call('HGET', pool, field)
local revision = current and current:match('^(%d+) ') or '0'
if revision ~= expected then return 'conflict' end
if record == '' then redis.call('HDEL', pool, field)
else redis.call('HSET', pool, field, int(tonumber(revision) + 1) .. ' ' .. record) end
bump(pool)
audit(KEYS[2], ARGV[4])
return 'ok'
`,
)

const resetHealth = defineScript(
  audit,
  `
if redis.call('HDEL', KEYS[1], unpack(ARGV, 2)) == 0 then return 'healthy' end
audit(KEYS[2], ARGV[1])
return 'ok'
`,
)

/** From the third on, KEYS are pairs of a record and its digest's name; ARGV has four texts for each. */
const createApiKeys = defineScript(
  audit,
  `
for i = 3, #KEYS do
  if redis.call('EXISTS', KEYS[i]) > 0 then return 'conflict' end
end
for i = 0, #ARGV / 4 - 1 do
  local keyId, digest, record, entry = ARGV[4 * i + 1], ARGV[4 * i + 2], ARGV[4 * i + 3], ARGV[4 * i + 4]
  redis.call('HSET', KEYS[2 * i + 3], 'revision', '1', 'record', record)
  redis.call('SET', KEYS[2 * i + 4], digest)
  redis.call('ZADD', KEYS[1], 0, keyId)
  audit(KEYS[2], entry)
end
return 'ok'
`,
)

const updateApiKey = defineScript(
  audit,
  `
if redis.call('HGET', KEYS[1], 'revision') ~= ARGV[1] then return 'conflict' end
redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('HSET', KEYS[1], 'record', ARGV[2])
audit(KEYS[2], ARGV[3])
return 'ok'
`,
)

const rotateApiKey = defineScript(
  audit,
  `
local old, new, digestOf = KEYS[1], KEYS[2], KEYS[3]
local revision = redis.call('HGET', old, 'revision')
if revision ~= ARGV[1] or redis.call('EXISTS', new) > 0 then return 'conflict' end
redis.call('DEL', old)
redis.call('HSET', new, 'revision', revision, 'record', ARGV[3])
redis.call('HINCRBY', new, 'revision', 1)
redis.call('SET', digestOf, ARGV[2])
audit(KEYS[4], ARGV[4])
return 'ok'
`,
)

/**
 * Creates (`expectedRevision` 0), replaces or, with `record` undefined, removes an account.
 * @param input.record JSON of the account.
 * @param input.entry packed audit entry; without one nothing is recorded.
 */
export async function writeAccountScript(
  redis: Redis,
  keyspace: Keyspace,
  input: {
    accountId: string
    expectedRevision: number
    record: string | undefined
    entry?: string
  },
): Promise<WriteReply> {
  const { accountId, expectedRevision, record = '', entry = '' } = input
  const args = [`account:${accountId}`, expectedRevision, record, entry]
  return (await runScript(redis, writeAccount, [keyspace.pool, keyspace.audit], args)) as WriteReply
}

/** Forgets why an account rests; `healthy`: there was nothing to forget, nor to record. */
export async function resetHealthScript(
  redis: Redis,
  keyspace: Keyspace,
  input: { platform: string; fields: string[]; entry: string },
): Promise<'ok' | 'healthy'> {
  const keys = [keyspace.health(input.platform), keyspace.audit]
  const args = [input.entry, ...input.fields]
  return (await runScript(redis, resetHealth, keys, args)) as 'ok' | 'healthy'
}

/** An API key as it is first written. */
export interface NewApiKey {
  keyId: string
  digest: string
  /** JSON of the key. */
  record: string
  /** Packed audit entry; without one nothing is recorded. */
  entry?: string
}

/** Creates API keys at revision 1, all or none. */
export async function createApiKeysScript(
  redis: Redis,
  keyspace: Keyspace,
  inputs: NewApiKey[],
): Promise<WriteReply> {
  const pairs = inputs.flatMap(({ keyId, digest }) => [
    keyspace.apiKey(digest),
    keyspace.apiKeyDigest(keyId),
  ])
  const keys = [keyspace.apiKeyIndex, keyspace.audit, ...pairs]
  const args = inputs.flatMap(({ keyId, digest, record, entry = '' }) => [
    keyId,
    digest,
    record,
    entry,
  ])
  return (await runScript(redis, createApiKeys, keys, args)) as WriteReply
}

/** Replaces an API key that is still at `expectedRevision`. @param input.record JSON of the key. */
export async function updateApiKeyScript(
  redis: Redis,
  keyspace: Keyspace,
  input: { digest: string; expectedRevision: number; record: string; entry?: string },
): Promise<WriteReply> {
  const { digest, expectedRevision, record, entry = '' } = input
  const keys = [keyspace.apiKey(digest), keyspace.audit]
  return (await runScript(redis, updateApiKey, keys, [
    expectedRevision,
    record,
    entry,
  ])) as WriteReply
}

/**
 * Moves an API key that is still at `expectedRevision` from one digest to another; its id, and with it
 * its counters and books, stay. @param input.record JSON of the key with the new digest.
 */
export async function rotateApiKeyScript(
  redis: Redis,
  keyspace: Keyspace,
  input: NewApiKey & { oldDigest: string; expectedRevision: number },
): Promise<WriteReply> {
  const { keyId, oldDigest, digest, expectedRevision, record, entry = '' } = input
  const keys = [
    keyspace.apiKey(oldDigest),
    keyspace.apiKey(digest),
    keyspace.apiKeyDigest(keyId),
    keyspace.audit,
  ]
  const args = [expectedRevision, digest, record, entry]
  return (await runScript(redis, rotateApiKey, keys, args)) as WriteReply
}
