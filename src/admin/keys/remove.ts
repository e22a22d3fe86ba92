/** The verbs that delete a gateway key and take the deletion back. */
import type { ApiKey } from '../../catalog/api-key.ts'
import type { Stored } from '../../catalog/stored-records.ts'
import { type Actor, actorName } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import { requirePermission } from '../permissions.ts'
import { changeApiKey } from './change.ts'

/**
 * Deletes a key softly: it is refused from its next request on, and its record and usage stay.
 * A key that was deleted before is left as it is.
 * @throws GatewayError `not_permitted`, `not_found`, `conflict`
 */
export async function removeApiKey(
  gateway: Gateway,
  { actor, keyId }: { actor: Actor; keyId: string },
): Promise<Stored<ApiKey>> {
  requirePermission(actor, 'keys:write')
  return changeApiKey(gateway, {
    actor,
    keyId,
    action: 'api_key.deleted',
    decide: async ({ record }, deletedAt) =>
      record.isDeleted ? {} : { isDeleted: true, deletedAt, deletedBy: actorName(actor) },
  })
}

/**
 * Takes a deletion back; a key that is not deleted is left as it is.
 * @throws GatewayError `not_permitted`, `not_found`, `conflict`
 */
export async function restoreApiKey(
  gateway: Gateway,
  { actor, keyId }: { actor: Actor; keyId: string },
): Promise<Stored<ApiKey>> {
  requirePermission(actor, 'keys:write')
  return changeApiKey(gateway, {
    actor,
    keyId,
    action: 'api_key.restored',
    decide: async ({ record }, restoredAt) =>
      record.isDeleted ? { isDeleted: false, deletedAt: null, deletedBy: null, restoredAt } : {},
  })
}
