/** The registry: every platform by its id, and the platforms that form a pool. */
import type { Account } from '../catalog/account.ts'
import type { PlatformId, PoolId } from '../domain/platform.ts'
import { GatewayError } from '../errors.ts'
import { claudeConsole } from './claude-console.ts'
import { codex } from './codex.ts'
import type { Platform } from './platform.ts'

export { subscriptionFault } from './credential.ts'

/** The platforms of the product, one for each id that an account may have. */
const builtIn: Record<PlatformId, Platform> = { 'claude-console': claudeConsole, codex }

export interface PlatformRegistry {
  all: readonly Platform[]
  /** The ids of all pools. */
  poolIds: readonly PoolId[]
  /** The platforms whose accounts form the pool; empty when there is no such pool. */
  inPool(poolId: PoolId): Platform[]
  /** The platform of an account. @throws GatewayError `internal` when it is not registered. */
  platformOf(account: Pick<Account, 'platform'>): Platform
}

/** @param platforms all that accounts may have, by default those of the product. */
export function createPlatformRegistry(
  platforms: readonly Platform[] = Object.values(builtIn),
): PlatformRegistry {
  const byId = new Map(platforms.map((platform) => [platform.id, platform]))
  return {
    all: platforms,
    poolIds: [...new Set(platforms.map(({ poolId }) => poolId))],
    inPool: (poolId) => platforms.filter((platform) => platform.poolId === poolId),
    platformOf(account) {
      const platform = byId.get(account.platform)
      if (platform) return platform
      throw new GatewayError('internal', `No platform "${account.platform}" is registered`)
    },
  }
}
