/** The one way in which the settings of a stored account change. */
import type { Account } from '../../catalog/account.ts'
import type { Stored } from '../../catalog/stored-records.ts'
import type { Gateway } from '../../gateway.ts'
import { differences, nextUpdatedAt, retryConflicts } from '../patch.ts'
import { type AccountRequest, findAccount } from './find.ts'
import { writeAccount } from './write-account.ts'

/**
 * Writes the fields that `decide` names, unless they are all as they were. `decide` is asked again
 * when the record has changed meanwhile.
 * @throws GatewayError `not_found`, `conflict`, and what `decide` throws.
 */
export function changeAccount(
  gateway: Gateway,
  change: AccountRequest & {
    action: string
    decide: (stored: Stored<Account>) => Partial<Account>
    /** The change may have removed the cause of the account's cooldowns: they end with it. */
    mayRecover?: boolean
  },
): Promise<Stored<Account>> {
  const { actor, action, accountId, decide, mayRecover = false } = change
  return retryConflicts(async () => {
    const stored = await findAccount(gateway, change)
    const next = { ...stored.record, ...decide(stored) }
    const facts = differences(stored.record, next)
    if (!facts) return stored
    const record = { ...next, updatedAt: nextUpdatedAt(stored.record, gateway.runtime.now()) }
    const recoveredIn = mayRecover ? gateway.platforms.platformOf(record).poolId : undefined
    const written = { actor, action, accountId, record, facts, recoveredIn }
    if ((await writeAccount(gateway, stored.revision, written)) === 'conflict') return undefined
    return { record, revision: stored.revision + 1 }
  })
}
