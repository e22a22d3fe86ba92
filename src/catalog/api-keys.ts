/** The verbs on gateway keys: create, list, get, remove. */
import { v7 as uuidv7 } from 'uuid'
import { createApiKey as createPlainKey, digestApiKey, keyPreview } from '../crypto.ts'
import { GatewayError, type Issue } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { createApiKeyScript, updateApiKeyScript } from '../store/scripts/catalog.ts'
import type { Platform } from './account.ts'
import type { ApiKey, ApiKeySettings } from './api-key.ts'
import { readApiKey, type Stored } from './catalog.ts'
import type { Page, PageRequest } from './page.ts'

/** When a key was first and last used, in milliseconds since the epoch; undefined = never. */
export interface ApiKeyUse {
  activatedAtMs: number | undefined
  lastUsedAtMs: number | undefined
}

/** Reads of the index that one page may take, so that a run of deleted keys cannot hold it up. */
const maxReads = 10

/**
 * Creates a key.
 * @param createdBy name of the administrator.
 * @returns the record, and the plain key, which is not kept anywhere.
 * @throws GatewayError `invalid_request` when a bound account does not exist on its platform.
 */
export async function createApiKey(
  gateway: Gateway,
  settings: ApiKeySettings,
  createdBy: string,
): Promise<{ record: ApiKey; plain: string }> {
  await checkBoundAccounts(gateway, settings)
  const { runtime, keyspace } = gateway
  const nowMs = runtime.now()
  const createdAt = new Date(nowMs).toISOString()
  const plain = createPlainKey(runtime.config.API_KEY_PREFIX)
  const record: ApiKey = {
    ...settings,
    id: uuidv7({ msecs: nowMs }),
    digest: digestApiKey(plain),
    keyPreview: keyPreview(plain),
    createdAt,
    updatedAt: createdAt,
    createdBy,
    isDeleted: false,
    deletedAt: null,
    deletedBy: null,
  }
  const { id: keyId, digest } = record
  const input = { keyId, digest, record: JSON.stringify(record) }
  if ((await createApiKeyScript(runtime.redis, keyspace, input)) === 'conflict') throw conflict()
  runtime.log.info('api_key_created', { keyId, by: createdBy })
  return { record, plain }
}

/**
 * Lists keys, newest first. Deleted ones are left out unless asked for; where very many in a row are
 * left out, a page may be short although more follow.
 */
export async function listApiKeys(
  gateway: Gateway,
  request: PageRequest & { includeDeleted: boolean },
): Promise<Page<ApiKey>> {
  const { limit, includeDeleted } = request
  const data: ApiKey[] = []
  let cursor = request.cursor
  for (let reads = 0; reads < maxReads; reads++) {
    // One more than fits tells whether another page follows.
    const ids = await idsBefore(gateway, cursor, limit + 1)
    for (const { record } of await readMany(gateway, ids)) {
      if (record.isDeleted && !includeDeleted) continue
      if (data.length === limit) return { data, nextCursor: data.at(-1)?.id ?? null }
      data.push(record)
    }
    if (ids.length <= limit) return { data, nextCursor: null }
    cursor = ids.at(-1)
  }
  return { data, nextCursor: cursor ?? null }
}

/** Reads one key, deleted or not, and its use. @throws GatewayError `not_found` */
export async function getApiKey(
  gateway: Gateway,
  keyId: string,
): Promise<{ stored: Stored<ApiKey>; use: ApiKeyUse }> {
  const { runtime, keyspace } = gateway
  const digest = await runtime.redis.get<string>(keyspace.apiKeyDigest(keyId))
  if (digest === null) throw unknownKey()
  const [rows, use] = (await runtime.redis
    .pipeline()
    .hgetall(keyspace.apiKey(digest))
    .hmget(keyspace.keyCounters(keyId), 'activatedAtMs', 'lastUsedAtMs')
    .exec()) as unknown as [string[] | null, (string | null)[] | null]
  const stored = readApiKey(rows ?? [])
  if (!stored) throw unknownKey()
  const [activatedAtMs, lastUsedAtMs] = (use ?? []).map((ms) => (ms ? Number(ms) : undefined))
  return { stored, use: { activatedAtMs, lastUsedAtMs } }
}

/**
 * Deletes a key softly: it is refused from its next request on, and its record and books stay.
 * A key that was deleted before is left as it is.
 * @throws GatewayError `not_found`, `conflict`
 */
export async function removeApiKey(
  gateway: Gateway,
  keyId: string,
  deletedBy: string,
): Promise<ApiKey> {
  const { runtime, keyspace } = gateway
  const { record, revision } = (await getApiKey(gateway, keyId)).stored
  if (record.isDeleted) return record
  const deletedAt = new Date(runtime.now()).toISOString()
  const removed = { ...record, isDeleted: true, deletedAt, deletedBy, updatedAt: deletedAt }
  const reply = await updateApiKeyScript(runtime.redis, keyspace, {
    digest: record.digest,
    expectedRevision: revision,
    record: JSON.stringify(removed),
  })
  if (reply === 'conflict') throw conflict()
  runtime.log.info('api_key_deleted', { keyId, by: deletedBy })
  return removed
}

async function checkBoundAccounts(gateway: Gateway, settings: ApiKeySettings) {
  const { claudeConsoleAccountId, codexAccountId } = settings
  if (claudeConsoleAccountId === null && codexAccountId === null) return
  const { accounts } = await gateway.catalog.loadPool()
  const issues: Issue[] = []
  const check = (field: string, accountId: string | null, platform: Platform) => {
    if (accountId === null || accounts.get(accountId)?.record.platform === platform) return
    issues.push({ field, message: `No ${platform} account has this id` })
  }
  check('claudeConsoleAccountId', claudeConsoleAccountId, 'claude-console')
  check('codexAccountId', codexAccountId, 'codex')
  if (issues.length === 0) return
  throw new GatewayError('invalid_request', 'The key is bound to an unknown account', { issues })
}

/** Up to `count` ids of keys made before `cursor`, newest first. */
async function idsBefore(
  { runtime, keyspace }: Gateway,
  cursor: string | undefined,
  count: number,
): Promise<string[]> {
  const from = cursor === undefined ? '+' : (`(${cursor}` as const)
  const options = { byLex: true, rev: true, offset: 0, count } as const
  return runtime.redis.zrange<string[]>(keyspace.apiKeyIndex, from, '-', options)
}

async function readMany({ runtime, keyspace }: Gateway, ids: string[]): Promise<Stored<ApiKey>[]> {
  if (ids.length === 0) return []
  const digests = await runtime.redis.mget<(string | null)[]>(ids.map(keyspace.apiKeyDigest))
  const pipeline = runtime.redis.pipeline()
  for (const digest of digests) pipeline.hgetall(keyspace.apiKey(digest ?? ''))
  const rows = (await pipeline.exec()) as unknown as (string[] | null)[]
  return rows.flatMap((row) => readApiKey(row ?? []) ?? [])
}

const unknownKey = () => new GatewayError('not_found', 'No gateway key has this id')
const conflict = () =>
  new GatewayError('conflict', 'The gateway key was changed meanwhile; read it and try again')
