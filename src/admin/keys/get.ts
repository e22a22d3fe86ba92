/** The verb that reads one gateway key. */
import type { Actor } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import { requirePermission } from '../permissions.ts'
import { type ApiKeyState, findApiKey } from './find.ts'

/**
 * Reads one key, deleted or not, and when it was used.
 * @throws GatewayError `not_permitted`, `not_found`
 */
export async function getApiKey(
  gateway: Gateway,
  { actor, keyId }: { actor: Actor; keyId: string },
): Promise<ApiKeyState> {
  requirePermission(actor, 'keys:read')
  return findApiKey(gateway, keyId)
}
