/** Writes to the catalog: each checks the revision it was made from and bumps what readers compare. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { defineScript, runScript } from '../script.ts'
import { time } from './shared.ts'

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
  `
local pool, field, expected, record = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local current = redis.call('HGET', pool, field)
local revision = current and current:match('^(%d+) ') or '0'
if revision ~= expected then return 'conflict' end
if record == '' then redis.call('HDEL', pool, field)
else redis.call('HSET', pool, field, int(tonumber(revision) + 1) .. ' ' .. record) end
bump(pool)
return 'ok'
`,
)

const createApiKey = defineScript(`
local record, digestOf, index = KEYS[1], KEYS[2], KEYS[3]
if redis.call('EXISTS', record, digestOf) > 0 then return 'conflict' end
redis.call('HSET', record, 'revision', '1', 'record', ARGV[1])
redis.call('SET', digestOf, ARGV[2])
redis.call('ZADD', index, 0, ARGV[3])
return 'ok'
`)

const updateApiKey = defineScript(`
if redis.call('HGET', KEYS[1], 'revision') ~= ARGV[1] then return 'conflict' end
redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('HSET', KEYS[1], 'record', ARGV[2])
return 'ok'
`)

/**
 * Creates (`expectedRevision` 0), replaces or, with `record` undefined, removes an account.
 * @param input.record JSON of the account.
 */
export async function writeAccountScript(
  redis: Redis,
  keyspace: Keyspace,
  input: { accountId: string; expectedRevision: number; record: string | undefined },
): Promise<WriteReply> {
  const args = [`account:${input.accountId}`, input.expectedRevision, input.record ?? '']
  return (await runScript(redis, writeAccount, [keyspace.pool], args)) as WriteReply
}

/** Creates an API key at revision 1. @param input.record JSON of the key. */
export async function createApiKeyScript(
  redis: Redis,
  keyspace: Keyspace,
  input: { keyId: string; digest: string; record: string },
): Promise<WriteReply> {
  const { keyId, digest, record } = input
  const keys = [keyspace.apiKey(digest), keyspace.apiKeyDigest(keyId), keyspace.apiKeyIndex]
  return (await runScript(redis, createApiKey, keys, [record, digest, keyId])) as WriteReply
}

/** Replaces an API key that is still at `expectedRevision`. @param input.record JSON of the key. */
export async function updateApiKeyScript(
  redis: Redis,
  keyspace: Keyspace,
  input: { digest: string; expectedRevision: number; record: string },
): Promise<WriteReply> {
  const args = [input.expectedRevision, input.record]
  return (await runScript(redis, updateApiKey, [keyspace.apiKey(input.digest)], args)) as WriteReply
}
