/** Writes to the catalog: each checks the revision it was made from, bumps what readers compare, and records itself. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { audit } from '../lua/audit.ts'
import { bump } from '../lua/bump.ts'
import { health, healthChangeFields, healthRows } from '../lua/health.ts'
import { time } from '../lua/time.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'
import type { ReplyOf } from '../script-declaration.ts'

/** `conflict`: the record is not at the expected revision any more, or exists already. */
export type WriteReply = 'ok' | 'conflict'

const written = { ok: {}, conflict: {} } as const

/**
 * `noteChange(keys, keyId)`: dates the change of a key, later than every change before it, so that lists
 * read only what has changed.
 */
const noteChange = `
local lastChange
local function noteChange(keys, keyId)
  if not lastChange then
    lastChange = integer(redis.call('ZRANGE', keys.apiKeyChanges, 0, 0, 'REV', 'WITHSCORES')[2]) or 0
  end
  lastChange = math.max(tonumber(clock[1]) * 1000000 + tonumber(clock[2]), lastChange + 1)
  redis.call('ZADD', keys.apiKeyChanges, int(lastChange), keyId)
end
`

const writeAccount = defineScript({
  keys: ['health', 'audit'],
  args: {
    field: 'text',
    expectedRevision: 'number',
    record: 'text',
    entry: 'text',
    accountId: 'text',
  },
  argRows: { recovered: { family: 'text' } },
  replies: { ok: { healthChanges: [healthChangeFields] }, conflict: {} },
  libraries: [time, health, bump, audit],
  lua: `
local current = redis.call('HGET', keys.pool, args.field)
local revision = tonumber(current and current:match('^(%d+) ') or '0')
if revision ~= args.expectedRevision then return reply.conflict({}) end
if args.record == '' then redis.call('HDEL', keys.pool, args.field)
else redis.call('HSET', keys.pool, args.field, int(revision + 1) .. ' ' .. args.record) end
bump(keys)
endHealth(keys, args.accountId, args.recovered)
audit(keys, args.entry)
return reply.ok({ healthChanges = healthChanges })
`,
})

const createApiKeys = defineScript({
  keys: ['apiKeyIndex', 'apiKeyChanges', 'audit'],
  keyRows: { created: ['apiKey', 'digest'] },
  args: {},
  argRows: { created: { keyId: 'text', digest: 'text', record: 'text', entry: 'text' } },
  replies: written,
  libraries: [time, noteChange, audit],
  lua: `
for _, names in ipairs(keys.created) do
  if redis.call('EXISTS', names.apiKey) > 0 or redis.call('EXISTS', names.digest) > 0 then return reply.conflict({}) end
end
for i, new in ipairs(args.created) do
  local names = keys.created[i]
  redis.call('HSET', names.apiKey, 'revision', '1', 'record', new.record)
  redis.call('SET', names.digest, new.digest)
  redis.call('ZADD', keys.apiKeyIndex, 0, new.keyId)
  noteChange(keys, new.keyId)
  audit(keys, new.entry)
end
return reply.ok({})
`,
})

const updateApiKey = defineScript({
  keys: ['apiKey', 'apiKeyChanges', 'audit'],
  args: { keyId: 'text', expectedRevision: 'number', record: 'text', entry: 'text' },
  replies: written,
  libraries: [time, noteChange, audit],
  lua: `
if tonumber(redis.call('HGET', keys.apiKey, 'revision') or '-1') ~= args.expectedRevision then return reply.conflict({}) end
redis.call('HINCRBY', keys.apiKey, 'revision', 1)
redis.call('HSET', keys.apiKey, 'record', args.record)
noteChange(keys, args.keyId)
audit(keys, args.entry)
return reply.ok({})
`,
})

const rotateApiKey = defineScript({
  keys: ['oldApiKey', 'apiKey', 'digest', 'apiKeyChanges', 'audit'],
  args: {
    keyId: 'text',
    expectedRevision: 'number',
    digest: 'text',
    record: 'text',
    entry: 'text',
  },
  replies: written,
  libraries: [time, noteChange, audit],
  lua: `
local revision = tonumber(redis.call('HGET', keys.oldApiKey, 'revision') or '-1')
if revision ~= args.expectedRevision or redis.call('EXISTS', keys.apiKey) > 0 then return reply.conflict({}) end
redis.call('DEL', keys.oldApiKey)
redis.call('HSET', keys.apiKey, 'revision', int(revision + 1), 'record', args.record)
redis.call('SET', keys.digest, args.digest)
noteChange(keys, args.keyId)
audit(keys, args.entry)
return reply.ok({})
`,
})

/**
 * Creates (`expectedRevision` 0), replaces or, with `record` undefined, removes an account.
 * @param input.record JSON of the account.
 * @param input.recoveredIn the pool in which the write ends every cooldown of the account, because its
 * cause may be gone; undefined where it ends none.
 * @param input.families of the models that the account may be asked for.
 * @param input.entry packed audit entry; without one nothing is recorded.
 */
export function writeAccountScript(
  redis: Redis,
  keyspace: Keyspace,
  input: {
    accountId: string
    expectedRevision: number
    record: string | undefined
    recoveredIn?: string | undefined
    families?: readonly string[]
    entry?: string
  },
): Promise<ReplyOf<(typeof writeAccount)['replies']>> {
  const { accountId, expectedRevision, record = '', recoveredIn, families = [], entry = '' } = input
  const recovered = recoveredIn === undefined ? [] : healthRows(families)
  const field = `account:${accountId}`
  return runScript(redis, keyspace, writeAccount, {
    keys: { health: keyspace.health(recoveredIn ?? ''), audit: keyspace.audit },
    args: { field, expectedRevision, record, entry, accountId, recovered },
  })
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
  const reply = await runScript(redis, keyspace, createApiKeys, {
    keys: {
      apiKeyIndex: keyspace.apiKeyIndex,
      apiKeyChanges: keyspace.apiKeyChanges,
      audit: keyspace.audit,
      created: inputs.map(({ keyId, digest }) => ({
        apiKey: keyspace.apiKey(digest),
        digest: keyspace.apiKeyDigest(keyId),
      })),
    },
    args: { created: inputs.map(({ entry = '', ...created }) => ({ ...created, entry })) },
  })
  return reply.kind
}

/** Replaces an API key that is still at `expectedRevision`. @param input.record JSON of the key. */
export async function updateApiKeyScript(
  redis: Redis,
  keyspace: Keyspace,
  input: NewApiKey & { expectedRevision: number },
): Promise<WriteReply> {
  const { keyId, digest, expectedRevision, record, entry = '' } = input
  const { apiKeyChanges, audit } = keyspace
  const reply = await runScript(redis, keyspace, updateApiKey, {
    keys: { apiKey: keyspace.apiKey(digest), apiKeyChanges, audit },
    args: { keyId, expectedRevision, record, entry },
  })
  return reply.kind
}

/**
 * Moves an API key that is still at `expectedRevision` from one digest to another; its id, and with it
 * its counters and usage, stay. @param input.record JSON of the key with the new digest.
 */
export async function rotateApiKeyScript(
  redis: Redis,
  keyspace: Keyspace,
  input: NewApiKey & { oldDigest: string; expectedRevision: number },
): Promise<WriteReply> {
  const { keyId, oldDigest, digest, expectedRevision, record, entry = '' } = input
  const reply = await runScript(redis, keyspace, rotateApiKey, {
    keys: {
      oldApiKey: keyspace.apiKey(oldDigest),
      apiKey: keyspace.apiKey(digest),
      digest: keyspace.apiKeyDigest(keyId),
      apiKeyChanges: keyspace.apiKeyChanges,
      audit: keyspace.audit,
    },
    args: { keyId, expectedRevision, digest, record, entry },
  })
  return reply.kind
}
