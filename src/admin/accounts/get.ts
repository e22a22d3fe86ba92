/** The verb that reads one account. */
import type { Gateway } from '../../gateway.ts'
import { requirePermission } from '../permissions.ts'
import { type AccountRequest, type AccountState, findAccountState } from './find.ts'

/** Reads one account and its health. @throws GatewayError `not_permitted`, `not_found` */
export async function getAccount(
  gateway: Gateway,
  { actor, ...name }: AccountRequest,
): Promise<AccountState> {
  requirePermission(actor, 'accounts:read')
  return findAccountState(gateway, name)
}
