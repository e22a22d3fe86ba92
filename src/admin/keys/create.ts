/** The verb that creates gateway keys, one or many. */
import { v7 as uuidv7 } from 'uuid'
import type { ApiKey, ApiKeySettings } from '../../catalog/api-key.ts'
import { type Actor, actorName } from '../../domain/actor.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { createApiKeysScript } from '../../store/scripts/catalog.ts'
import { changedMeanwhile } from '../patch.ts'
import { requirePermission } from '../permissions.ts'
import { keyEntry } from './change.ts'
import { checkBoundAccounts, checkSettings } from './checks.ts'
import { type IssuedApiKey, newSecret } from './secret.ts'

const maxNameLength = 100

/**
 * Creates one key, or with `count` so many that are named "name 1" and so on: all or none.
 * @throws GatewayError `not_permitted`, `invalid_request` for settings that contradict each other,
 * for a binding to an unknown account and for a name that leaves no room for its number.
 */
export async function createApiKeys(
  gateway: Gateway,
  {
    actor,
    settings,
    count,
  }: { actor: Actor; settings: ApiKeySettings; count?: number | undefined },
): Promise<IssuedApiKey[]> {
  requirePermission(actor, 'keys:write')
  const { runtime, keyspace } = gateway
  const names = count === undefined ? [settings.name] : numberedNames(settings.name, count)
  checkSettings(settings)
  await checkBoundAccounts(gateway, settings)
  const action = 'api_key.created'
  const createdBy = actorName(actor)
  const issued = names.map((name, seq) => issue(gateway, { ...settings, name }, createdBy, seq))
  const inputs = issued.map(({ stored: { record } }) => ({
    keyId: record.id,
    digest: record.digest,
    record: JSON.stringify(record),
    entry: keyEntry(gateway, {
      actor,
      action,
      keyId: record.id,
      before: null,
      after: record,
    }),
  }))
  const reply = await createApiKeysScript(runtime.redis, keyspace, inputs)
  if (reply === 'conflict') throw changedMeanwhile()
  for (const { keyId: targetId } of inputs) {
    runtime.observe({ type: 'record_changed', action, targetId, by: createdBy })
  }
  return issued
}

/** @param seq place in its batch: ids of one millisecond sort by it. */
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

function numberedNames(name: string, count: number): string[] {
  const names = Array.from({ length: count }, (_, i) => `${name} ${i + 1}`)
  if ((names.at(-1) ?? '').length <= maxNameLength) return names
  const message = `Must leave room for its number: ${maxNameLength} characters together`
  const issues = [{ field: 'name', message }]
  throw new GatewayError('invalid_request', 'The request is not valid: see name', { issues })
}
