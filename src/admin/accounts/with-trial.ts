/** Saves an account, and tries it where that is asked for: the outcome never undoes what was saved. */
import type { Actor } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import { requirePermission } from '../permissions.ts'
import type { AccountState } from './find.ts'
import { type Trial, tryAccount } from './trial.ts'

/**
 * @param request.save creates or changes the account.
 * @returns what `save` does, and with `test` the outcome of one tiny request through the account.
 * @throws GatewayError `not_permitted` for a trial before anything is saved; else as `save` does.
 */
export async function saveWithTrial(
  gateway: Gateway,
  request: { actor: Actor; test: boolean; save: () => Promise<AccountState> },
): Promise<AccountState & { trial?: Trial }> {
  const { actor, test, save } = request
  if (!test) return save()
  requirePermission(actor, 'accounts:test')
  const state = await save()
  return { ...state, trial: await tryAccount(gateway, state.record) }
}
