/** The verb that takes an account out of scheduling, or back in. */
import type { Gateway } from '../../gateway.ts'
import { requirePermission } from '../permissions.ts'
import { changeAccount } from './change.ts'
import { type AccountRequest, type AccountState, withHealth } from './find.ts'

/**
 * Makes an account that takes new requests take none, or the other way round.
 * @throws GatewayError `not_permitted`, `not_found`, `conflict`
 */
export async function toggleSchedulable(
  gateway: Gateway,
  request: AccountRequest,
): Promise<AccountState> {
  requirePermission(request.actor, 'accounts:write')
  const stored = await changeAccount(gateway, {
    ...request,
    action: 'account.toggled',
    decide: ({ record }) => ({ schedulable: !record.schedulable }),
  })
  return withHealth(gateway, stored)
}
