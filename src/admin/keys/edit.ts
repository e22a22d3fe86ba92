/** The verbs that change a gateway key: update, remove, restore, rotate. */

import { type ApiKey, type ApiKeySettings, settingIssues } from '../../catalog/api-key.ts'
import type { Stored } from '../../catalog/catalog.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { rotateApiKeyScript, updateApiKeyScript } from '../../store/scripts/catalog.ts'
import {
  checkPrecondition,
  differences,
  nextUpdatedAt,
  type Precondition,
  retryConflicts,
} from '../patch.ts'
import {
  checkBoundAccounts,
  getApiKey,
  type IssuedApiKey,
  keyEntry,
  newSecret,
  refuseIssues,
} from './keys.ts'

/**
 * Changes the given settings of a key and no other.
 * @throws GatewayError `not_found`, `invalid_request` for a binding to an unknown account, `conflict`
 * when the key is deleted or not the one that the edit was made from.
 */
export function updateApiKey(
  gateway: Gateway,
  keyId: string,
  edit: { patch: Partial<ApiKeySettings>; precondition: Precondition; actor: string },
): Promise<Stored<ApiKey>> {
  const { patch, precondition, actor } = edit
  return change(gateway, keyId, actor, 'api_key.updated', async (stored) => {
    checkPrecondition(stored, precondition)
    refuseDeleted(stored.record)
    const changed = differences(stored.record, { ...stored.record, ...patch })?.after ?? {}
    refuseIssues(settingIssues({ ...stored.record, ...patch }))
    await checkBoundAccounts(gateway, changed)
    return patch
  })
}

/**
 * Deletes a key softly: it is refused from its next request on, and its record and books stay.
 * A key that was deleted before is left as it is.
 * @throws GatewayError `not_found`, `conflict`
 */
export function removeApiKey(
  gateway: Gateway,
  keyId: string,
  actor: string,
): Promise<Stored<ApiKey>> {
  return change(gateway, keyId, actor, 'api_key.deleted', async ({ record }, at) =>
    record.isDeleted ? {} : { isDeleted: true, deletedAt: at, deletedBy: actor },
  )
}

/** Takes a deletion back; a key that is not deleted is left as it is. @throws GatewayError `not_found`, `conflict` */
export function restoreApiKey(
  gateway: Gateway,
  keyId: string,
  actor: string,
): Promise<Stored<ApiKey>> {
  return change(gateway, keyId, actor, 'api_key.restored', async ({ record }, at) =>
    record.isDeleted ? { isDeleted: false, deletedAt: null, deletedBy: null, restoredAt: at } : {},
  )
}

/**
 * Gives a key a new secret; the old one is refused from its next request on. Id, settings, counters
 * and books stay.
 * @throws GatewayError `not_found`, `conflict` when the key is deleted.
 */
export function rotateApiKey(
  gateway: Gateway,
  keyId: string,
  actor: string,
): Promise<IssuedApiKey> {
  const { runtime, keyspace } = gateway
  return retryConflicts(async () => {
    const { record: old, revision } = (await getApiKey(gateway, keyId)).stored
    refuseDeleted(old)
    const { plain, ...secret } = newSecret(gateway)
    const record = { ...old, ...secret, updatedAt: nextUpdatedAt(old, runtime.now()) }
    const previews = {
      before: { keyPreview: old.keyPreview },
      after: { keyPreview: record.keyPreview },
    }
    const reply = await rotateApiKeyScript(runtime.redis, keyspace, {
      keyId,
      oldDigest: old.digest,
      digest: record.digest,
      expectedRevision: revision,
      record: JSON.stringify(record),
      entry: keyEntry(gateway, actor, 'api_key.rotated', keyId, previews),
    })
    if (reply === 'conflict') return undefined
    runtime.log.info('api_key_rotated', { keyId, by: actor })
    return { stored: { record, revision: revision + 1 }, plain }
  })
}

/** Writes the fields that `decide` names, unless they are all as they were. */
function change(
  gateway: Gateway,
  keyId: string,
  actor: string,
  action: string,
  decide: (stored: Stored<ApiKey>, at: string) => Promise<Partial<ApiKey>>,
): Promise<Stored<ApiKey>> {
  const { runtime, keyspace } = gateway
  return retryConflicts(async () => {
    const { stored } = await getApiKey(gateway, keyId)
    const updatedAt = nextUpdatedAt(stored.record, runtime.now())
    const next = { ...stored.record, ...(await decide(stored, updatedAt)) }
    const changed = differences(stored.record, next)
    if (!changed) return stored
    const record: ApiKey = { ...next, updatedAt }
    const reply = await updateApiKeyScript(runtime.redis, keyspace, {
      digest: record.digest,
      expectedRevision: stored.revision,
      record: JSON.stringify(record),
      entry: keyEntry(gateway, actor, action, keyId, changed),
    })
    if (reply === 'conflict') return undefined
    runtime.log.info(action.replace('.', '_'), { keyId, by: actor })
    return { record, revision: stored.revision + 1 }
  })
}

function refuseDeleted(record: ApiKey): void {
  if (!record.isDeleted) return
  throw new GatewayError('conflict', 'The gateway key is deleted; restore it first')
}
