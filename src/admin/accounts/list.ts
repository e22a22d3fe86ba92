/** The verb that lists the accounts of a platform. */
import type { Account } from '../../catalog/account.ts'
import { healthy, readHealths } from '../../catalog/account-health.ts'
import type { Stored } from '../../catalog/stored-records.ts'
import type { Actor } from '../../domain/actor.ts'
import type { PlatformId } from '../../domain/platform.ts'
import type { Gateway } from '../../gateway.ts'
import type { Page, PageRequest } from '../page.ts'
import { requirePermission } from '../permissions.ts'
import type { AccountState } from './find.ts'

/** Which accounts a list shows; a field that is undefined excludes none. */
export type AccountFilter = {
  [Name in 'isActive' | 'schedulable' | 'accountType']: Account[Name] | undefined
}

export interface AccountListRequest extends PageRequest {
  actor: Actor
  platform: PlatformId
  filter: AccountFilter
}

/** Lists the accounts of a platform, oldest first, with their health. @throws GatewayError `not_permitted` */
export async function listAccounts(
  gateway: Gateway,
  { actor, platform, cursor = '', limit, filter }: AccountListRequest,
): Promise<Page<AccountState>> {
  requirePermission(actor, 'accounts:read')
  const { accounts } = await gateway.catalog.loadPool()
  const { isActive, schedulable, accountType } = filter
  const following = [...accounts.values()]
    .filter(({ record }) => record.platform === platform && record.id > cursor)
    .filter(({ record }) => isActive === undefined || record.isActive === isActive)
    .filter(({ record }) => schedulable === undefined || record.schedulable === schedulable)
    .filter(({ record }) => accountType === undefined || record.accountType === accountType)
    .sort((a, b) => (a.record.id < b.record.id ? -1 : 1))
  const data = await withHealths(gateway, platform, following.slice(0, limit))
  const hasMore = following.length > limit
  return { data, nextCursor: hasMore ? (data.at(-1)?.record.id ?? null) : null }
}

/** Reads the health of all of them in one round trip. */
async function withHealths(
  gateway: Gateway,
  platform: PlatformId,
  accounts: Stored<Account>[],
): Promise<AccountState[]> {
  const { poolId } = gateway.platforms.platformOf({ platform })
  const records = accounts.map(({ record }) => record)
  const healths = await readHealths(gateway, poolId, records)
  return accounts.map((stored, i) => ({ ...stored, health: healths[i] ?? healthy }))
}
