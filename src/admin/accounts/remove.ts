/** The verb that deletes an account. */
import type { Account } from '../../catalog/account.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { keysBoundTo } from '../keys/bound.ts'
import { retryConflicts } from '../patch.ts'
import { requirePermission } from '../permissions.ts'
import { removePricesOf } from '../prices/write.ts'
import { type AccountRequest, findAccount } from './find.ts'
import { writeAccount } from './write-account.ts'

/** Keys that a refusal to delete an account names at most. */
const maxNamedKeys = 20

/**
 * Deletes an account for good; requests that run on it end as they would have.
 * @param request.force deletes it even if keys are bound to it; these are refused from then on.
 * @returns the account as it was.
 * @throws GatewayError `not_permitted`, `not_found`, `conflict`
 */
export async function removeAccount(
  gateway: Gateway,
  request: AccountRequest & { force: boolean },
): Promise<Account> {
  const { actor, accountId, force } = request
  requirePermission(actor, 'accounts:write')
  await findAccount(gateway, request)
  if (!force) await refuseBound(gateway, accountId)
  const removed = await retryConflicts(async () => {
    const { record, revision } = await findAccount(gateway, request)
    const facts = { before: record, after: null }
    const change = { actor, action: 'account.deleted', accountId, record: undefined, facts }
    return (await writeAccount(gateway, revision, change)) === 'conflict' ? undefined : record
  })
  await removePricesOf(gateway, { actor, accountId })
  return removed
}

async function refuseBound(gateway: Gateway, accountId: string): Promise<void> {
  const bound = await keysBoundTo(gateway, accountId)
  if (bound.length === 0) return
  const issues = bound
    .slice(0, maxNamedKeys)
    .map(({ id, name }) => ({ field: id, message: `The gateway key "${name}" is bound to it` }))
  const keys = bound.length === 1 ? 'A gateway key is' : `${bound.length} gateway keys are`
  throw new GatewayError('conflict', `${keys} bound to this account; see issues, or use force`, {
    issues,
  })
}
