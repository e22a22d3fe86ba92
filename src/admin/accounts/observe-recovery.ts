/** Reports to observers that an administrator has ended the cooldowns of an account. */
import type { AccountHealth } from '../../catalog/account-health.ts'
import type { PoolId } from '../../domain/platform.ts'
import type { Gateway } from '../../gateway.ts'

/** @param account its health before the cooldowns were ended. */
export function observeRecovery(
  { runtime }: Gateway,
  account: { poolId: PoolId; accountId: string; health: AccountHealth },
): void {
  const { poolId, accountId, health } = account
  for (const { models } of health.cooldowns) {
    const family = models === 'all' ? null : models
    runtime.observe({ type: 'account_recovered', accountId, poolId, family })
  }
}
