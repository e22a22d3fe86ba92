/** Health events: tells what the store's scripts say has changed about the health of accounts. */
import { failureReasons } from '../../domain/account-failure.ts'
import { modelFamilies } from '../../domain/model-family.ts'
import type { PoolId } from '../../domain/platform.ts'
import type { Runtime } from '../../runtime.ts'
import type { RecoverReply } from '../../store/scripts/recover.ts'

type HealthChange = RecoverReply['healthChanges'][number]

/** Tells each change as `account_cooling` or `account_recovered`. */
export function tellHealthChanges(
  { observe }: Pick<Runtime, 'observe'>,
  poolId: PoolId,
  changes: readonly HealthChange[],
): void {
  for (const { change, accountId, family: name, reason, untilMs } of changes) {
    const family = modelFamilies.find((known) => known === name) ?? null
    const scope = { accountId, poolId, family }
    if (change === 'recovered') observe({ type: 'account_recovered', ...scope })
    const began = failureReasons.find((known) => known === reason)
    if (change === 'cooling' && began) {
      observe({ type: 'account_cooling', ...scope, reason: began, untilMs })
    }
  }
}
