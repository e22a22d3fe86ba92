/** Finds accounts and their health; for verbs, which check permissions first. */
import type { Account } from '../../catalog/account.ts'
import { type AccountHealth, healthy, readHealths } from '../../catalog/account-health.ts'
import type { Stored } from '../../catalog/stored-records.ts'
import type { Actor } from '../../domain/actor.ts'
import type { PlatformId } from '../../domain/platform.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'

export interface AccountState {
  record: Account
  revision: number
  health: AccountHealth
}

/** What a verb on one account is given. */
export interface AccountRequest {
  actor: Actor
  platform: PlatformId
  accountId: string
}

/** Which account a helper of these verbs is to find. */
export type AccountName = Omit<AccountRequest, 'actor'>

/** The stored account. @throws GatewayError `not_found` */
export async function findAccount(
  gateway: Gateway,
  { platform, accountId }: AccountName,
): Promise<Stored<Account>> {
  const stored = (await gateway.catalog.loadPool()).accounts.get(accountId)
  if (stored?.record.platform === platform) return stored
  throw new GatewayError('not_found', `No ${platform} account has this id`)
}

/** The stored account and its health. @throws GatewayError `not_found` */
export async function findAccountState(gateway: Gateway, name: AccountName): Promise<AccountState> {
  return withHealth(gateway, await findAccount(gateway, name))
}

/** The account with its health now. */
export async function withHealth(gateway: Gateway, stored: Stored<Account>): Promise<AccountState> {
  const { poolId } = gateway.platforms.platformOf(stored.record)
  const [health = healthy] = await readHealths(gateway, poolId, [stored.record])
  return { ...stored, health }
}
