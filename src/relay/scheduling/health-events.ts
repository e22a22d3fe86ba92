/** Health events: tells what the store's scripts say has changed about the health of accounts. */
import { modelFamilies } from '../../domain/model-family.ts'
import type { Runtime } from '../../runtime.ts'
import type { RecoverReply } from '../../store/scripts/recover.ts'

type HealthChange = RecoverReply['healthChanges'][number]

/** Tells each change as `account_cooling` or `account_recovered`; `pool` is the id of the accounts' pool. */
export function tellHealthChanges(
  { observe }: Pick<Runtime, 'observe'>,
  pool: string,
  changes: readonly HealthChange[],
): void {
  for (const { change, accountId, family: name, reason, untilMs } of changes) {
    const family = modelFamilies.find((known) => known === name) ?? null
    const scope = { accountId, platform: pool, family }
    if (change === 'recovered') observe({ type: 'account_recovered', ...scope })
    else observe({ type: 'account_cooling', ...scope, reason, untilMs })
  }
}
