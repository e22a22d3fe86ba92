/** Health events: tells what the store's scripts say has changed about the health of accounts. */
import { failureReasons } from '../../domain/account-failure.ts'
import type { PoolId } from '../../domain/platform.ts'
import type { Runtime } from '../../runtime.ts'
import type { RecoverReply } from '../../store/scripts/recover.ts'

type HealthChange = RecoverReply['healthChanges'][number]

/** What a vendor has said of one account. */
interface VendorSentence {
  accountId: string
  said?: string | undefined
}

/**
 * Tells each change as `account_cooling` or `account_recovered`.
 * @param sentence of the account whose failure has just been recorded.
 */
export function tellHealthChanges(
  { observe }: Pick<Runtime, 'observe'>,
  poolId: PoolId,
  changes: readonly HealthChange[],
  sentence?: VendorSentence,
): void {
  for (const { change, accountId, family, reason, untilMs } of changes) {
    const scope = { accountId, poolId, family: family || null }
    if (change === 'recovered') observe({ type: 'account_recovered', ...scope })
    const began = failureReasons.find((known) => known === reason)
    if (change === 'cooling' && began) {
      const said = sentence?.accountId === accountId ? sentence.said : undefined
      const cooling = { type: 'account_cooling', ...scope, reason: began, untilMs } as const
      observe(said === undefined ? cooling : { ...cooling, said })
    }
  }
}
