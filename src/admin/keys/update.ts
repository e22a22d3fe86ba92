/** The verb that changes the settings of a gateway key. */
import type { ApiKey, ApiKeySettings } from '../../catalog/api-key.ts'
import type { Stored } from '../../catalog/stored-records.ts'
import type { Actor } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import { checkPrecondition, differences, type Precondition } from '../patch.ts'
import { requirePermission } from '../permissions.ts'
import { changeApiKey } from './change.ts'
import { checkBoundAccounts, checkSettings, refuseDeleted } from './checks.ts'

/**
 * Changes the given settings of a key and no other.
 * @throws GatewayError `not_permitted`, `not_found`, `invalid_request` for a binding to an unknown
 * account, `conflict` when the key is deleted or not the one that the edit was made from.
 */
export async function updateApiKey(
  gateway: Gateway,
  edit: {
    actor: Actor
    keyId: string
    patch: Partial<ApiKeySettings>
    precondition: Precondition
  },
): Promise<Stored<ApiKey>> {
  const { actor, keyId, patch, precondition } = edit
  requirePermission(actor, 'keys:write')
  return changeApiKey(gateway, {
    actor,
    keyId,
    action: 'api_key.updated',
    decide: async (stored) => {
      checkPrecondition(stored, precondition)
      refuseDeleted(stored.record)
      const next = { ...stored.record, ...patch }
      checkSettings(next)
      await checkBoundAccounts(gateway, differences(stored.record, next)?.after ?? {})
      return patch
    },
  })
}
