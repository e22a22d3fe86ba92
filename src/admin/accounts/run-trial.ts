/** The verb that tries an account with one tiny real request. */
import type { Gateway } from '../../gateway.ts'
import { requirePermission } from '../permissions.ts'
import { type AccountRequest, findAccount } from './find.ts'
import { type Trial, tryAccount } from './trial.ts'

/**
 * Sends one tiny request through an account, which the vendor may charge.
 * @param request.model as clients name it; by default the first that the account supports.
 * @throws GatewayError `not_permitted`, `not_found`; never for what the upstream does.
 */
export async function runTrial(
  gateway: Gateway,
  { actor, model, ...name }: AccountRequest & { model: string | undefined },
): Promise<Trial> {
  requirePermission(actor, 'accounts:test')
  const { record } = await findAccount(gateway, name)
  return tryAccount(gateway, record, model === undefined ? {} : { model })
}
