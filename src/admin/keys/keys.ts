/** The verbs on gateway keys: create, get. */

import { v7 as uuidv7 } from 'uuid'
import { type ApiKey, type ApiKeySettings, settingIssues } from '../../catalog/api-key.ts'
import { readApiKey, type Stored } from '../../catalog/catalog.ts'
import { createApiKey as createPlainKey, digestApiKey, keyPreview } from '../../crypto.ts'
import type { Platform } from '../../domain/platform.ts'
import { GatewayError, type Issue } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { createApiKeysScript } from '../../store/scripts/catalog.ts'
import { packAuditEntry } from '../audit/audit.ts'
import { changedMeanwhile } from '../patch.ts'

/** When a key was first and last used, in milliseconds since the epoch; undefined = never. */
export interface ApiKeyUse {
  activatedAtMs: number | undefined
  lastUsedAtMs: number | undefined
}

/** A record and its plain key, which is not kept anywhere. */
export interface IssuedApiKey {
  stored: Stored<ApiKey>
  plain: string
}

/**
 * Creates one key for each of `settings`, all or none.
 * @param actor name of the administrator.
 * @throws GatewayError `invalid_request` when a bound account does not exist on its platform.
 */
export async function createApiKeys(
  gateway: Gateway,
  settings: ApiKeySettings[],
  actor: string,
): Promise<IssuedApiKey[]> {
  const { runtime, keyspace } = gateway
  // Every key of a batch has the same settings.
  for (const first of settings.slice(0, 1)) {
    refuseIssues(settingIssues(first))
    await checkBoundAccounts(gateway, first)
  }
  const issued = settings.map((given, seq) => issue(gateway, given, actor, seq))
  const inputs = issued.map(({ stored: { record } }) => ({
    keyId: record.id,
    digest: record.digest,
    record: JSON.stringify(record),
    entry: keyEntry(gateway, actor, 'api_key.created', record.id, { before: null, after: record }),
  }))
  const reply = await createApiKeysScript(runtime.redis, keyspace, inputs)
  if (reply === 'conflict') throw changedMeanwhile()
  for (const { keyId } of inputs) runtime.log.info('api_key_created', { keyId, by: actor })
  return issued
}

/** Reads one key, deleted or not, and its use. @throws GatewayError `not_found` */
export async function getApiKey(
  { runtime, keyspace }: Gateway,
  keyId: string,
): Promise<{ stored: Stored<ApiKey>; use: ApiKeyUse }> {
  // A key that is rotated between the two reads is found under its next digest.
  for (let tries = 0; tries < 3; tries++) {
    const digest = await runtime.redis.get<string>(keyspace.apiKeyDigest(keyId))
    if (digest === null) break
    const [rows, use] = (await runtime.redis
      .pipeline()
      .hgetall(keyspace.apiKey(digest))
      .hmget(keyspace.keyCounters(keyId), 'activatedAtMs', 'lastUsedAtMs')
      .exec()) as unknown as [string[] | null, (string | null)[] | null]
    const stored = readApiKey(rows ?? [])
    if (!stored) continue
    const [activatedAtMs, lastUsedAtMs] = (use ?? []).map((ms) => (ms ? Number(ms) : undefined))
    return { stored, use: { activatedAtMs, lastUsedAtMs } }
  }
  throw new GatewayError('not_found', 'No gateway key has this id')
}

/** A new plain key, and what a record keeps of it. */
export function newSecret({ runtime }: Gateway) {
  const plain = createPlainKey(runtime.config.API_KEY_PREFIX)
  return { plain, digest: digestApiKey(plain), keyPreview: keyPreview(plain) }
}

/** @param seq place in its batch: ids of one moment sort by it. */
function issue(
  gateway: Gateway,
  settings: ApiKeySettings,
  createdBy: string,
  seq: number,
): IssuedApiKey {
  const nowMs = gateway.runtime.now()
  const createdAt = new Date(nowMs).toISOString()
  const { plain, digest, keyPreview } = newSecret(gateway)
  const record: ApiKey = {
    ...settings,
    id: uuidv7({ msecs: nowMs, seq }),
    digest,
    keyPreview,
    createdAt,
    updatedAt: createdAt,
    createdBy,
    isDeleted: false,
    deletedAt: null,
    deletedBy: null,
    restoredAt: null,
  }
  return { stored: { record, revision: 1 }, plain }
}

/** @throws GatewayError `invalid_request` that names the fields, if there are any issues. */
export function refuseIssues(issues: Issue[]): void {
  if (issues.length === 0) return
  const [{ field, message } = { field: '', message: '' }] = issues
  throw new GatewayError('invalid_request', `The field "${field}" ${message}`, { issues })
}

/** @throws GatewayError `invalid_request` when a bound account does not exist on its platform. */
export async function checkBoundAccounts(
  gateway: Gateway,
  settings: Partial<Pick<ApiKeySettings, 'claudeConsoleAccountId' | 'codexAccountId'>>,
): Promise<void> {
  const { claudeConsoleAccountId = null, codexAccountId = null } = settings
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

/** The packed audit entry of a change to a key. */
export function keyEntry(
  gateway: Gateway,
  actor: string,
  action: string,
  targetId: string,
  facts: { before: object | null; after: object | null },
): string {
  const asFacts = (record: object | null) => record && { ...record }
  const [before, after] = [asFacts(facts.before), asFacts(facts.after)]
  return packAuditEntry(gateway, { actor, action, targetId, before, after })
}
