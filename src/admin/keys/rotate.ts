/** The verb that gives a gateway key a new secret. */
import { type Actor, actorName } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import { rotateApiKeyScript } from '../../store/scripts/catalog.ts'
import { nextUpdatedAt, retryConflicts } from '../patch.ts'
import { requirePermission } from '../permissions.ts'
import { keyEntry } from './change.ts'
import { refuseDeleted } from './checks.ts'
import { findApiKey } from './find.ts'
import { type IssuedApiKey, newSecret } from './secret.ts'

/**
 * Gives a key a new secret; the old one is refused from its next request on. Id, settings, counters
 * and usage stay.
 * @throws GatewayError `not_permitted`, `not_found`, `conflict` when the key is deleted.
 */
export async function rotateApiKey(
  gateway: Gateway,
  { actor, keyId }: { actor: Actor; keyId: string },
): Promise<IssuedApiKey> {
  requirePermission(actor, 'keys:write')
  const { runtime, keyspace } = gateway
  const action = 'api_key.rotated'
  return retryConflicts(async () => {
    const { record: old, revision } = (await findApiKey(gateway, keyId)).stored
    refuseDeleted(old)
    const { plain, ...secret } = newSecret(gateway)
    const record = { ...old, ...secret, updatedAt: nextUpdatedAt(old, runtime.now()) }
    const reply = await rotateApiKeyScript(runtime.redis, keyspace, {
      keyId,
      oldDigest: old.digest,
      digest: record.digest,
      expectedRevision: revision,
      record: JSON.stringify(record),
      entry: keyEntry(gateway, {
        actor,
        action,
        keyId,
        before: { keyPreview: old.keyPreview },
        after: { keyPreview: record.keyPreview },
      }),
    })
    if (reply === 'conflict') return undefined
    runtime.observe({ type: 'record_changed', action, targetId: keyId, by: actorName(actor) })
    return { stored: { record, revision: revision + 1 }, plain }
  })
}
