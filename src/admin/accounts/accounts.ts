/** The verbs on upstream accounts: create, list, get. */

import { v7 as uuidv7 } from 'uuid'
import type { Account, AccountInput } from '../../catalog/account.ts'
import { type AccountHealth, healthy, readHealths } from '../../catalog/account-health.ts'
import type { Stored } from '../../catalog/catalog.ts'
import { checkProxy, sealProxy } from '../../catalog/proxy.ts'
import { ensureSealingKey } from '../../catalog/sealing.ts'
import type { Platform } from '../../domain/platform.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { Page, PageRequest } from '../page.ts'
import { changedMeanwhile } from '../patch.ts'
import { checkApiUrl, writeAccount } from './store-account.ts'

export interface AccountState {
  record: Account
  revision: number
  health: AccountHealth
}

/** Which accounts a list shows; what is undefined does not matter. */
export type AccountFilter = {
  [Name in 'isActive' | 'schedulable' | 'accountType']: Account[Name] | undefined
}

/**
 * Creates an account and seals its credentials.
 * @param actor name of the administrator.
 * @throws GatewayError `invalid_request` when the gateway may not call this address or this proxy,
 * `misconfigured` when this gateway seals with another key than the store's.
 */
export async function createAccount(
  gateway: Gateway,
  platform: Platform,
  input: AccountInput,
  actor: string,
): Promise<AccountState> {
  const { runtime, sealer } = gateway
  const { apiKey, ...settings } = input
  checkApiUrl(gateway, settings.apiUrl)
  const proxy = settings.proxy && checkProxy(gateway, settings.proxy)
  await ensureSealingKey(gateway)
  const nowMs = runtime.now()
  const createdAt = new Date(nowMs).toISOString()
  const id = uuidv7({ msecs: nowMs })
  const sealedApiKey = sealer.seal(apiKey, id)
  const record: Account = {
    ...settings,
    id,
    platform,
    sealedApiKey,
    proxy: proxy && sealProxy(proxy, sealer, id),
    createdAt,
    updatedAt: createdAt,
  }
  const facts = { before: null, after: record }
  const change = { actor, action: 'account.created', record, accountId: id, facts }
  if ((await writeAccount(gateway, 0, change)) === 'conflict') throw changedMeanwhile()
  return { record, revision: 1, health: healthy }
}

/** Lists the accounts of a platform, oldest first. */
export async function listAccounts(
  gateway: Gateway,
  platform: Platform,
  { cursor = '', limit, filter }: PageRequest & { filter: AccountFilter },
): Promise<Page<AccountState>> {
  const { accounts } = await gateway.catalog.loadPool()
  const { isActive, schedulable, accountType } = filter
  const following = [...accounts.values()]
    .filter(({ record }) => record.platform === platform && record.id > cursor)
    .filter(({ record }) => isActive === undefined || record.isActive === isActive)
    .filter(({ record }) => schedulable === undefined || record.schedulable === schedulable)
    .filter(({ record }) => accountType === undefined || record.accountType === accountType)
    .sort((a, b) => (a.record.id < b.record.id ? -1 : 1))
  const data = await withHealth(gateway, platform, following.slice(0, limit))
  const hasMore = following.length > limit
  return { data, nextCursor: hasMore ? (data.at(-1)?.record.id ?? null) : null }
}

/** Reads one account and its health. @throws GatewayError `not_found` */
export async function getAccount(
  gateway: Gateway,
  platform: Platform,
  accountId: string,
): Promise<AccountState> {
  return withHealthOf(gateway, platform, await findAccount(gateway, platform, accountId))
}

/** The stored account. @throws GatewayError `not_found` */
export async function findAccount(
  gateway: Gateway,
  platform: Platform,
  accountId: string,
): Promise<Stored<Account>> {
  const stored = (await gateway.catalog.loadPool()).accounts.get(accountId)
  if (stored?.record.platform === platform) return stored
  throw new GatewayError('not_found', `No ${platform} account has this id`)
}

/** The account with its present health. */
export async function withHealthOf(
  gateway: Gateway,
  platform: Platform,
  stored: Stored<Account>,
): Promise<AccountState> {
  const [health = healthy] = await readHealths(gateway, platform, [stored.record.id])
  return { ...stored, health }
}

async function withHealth(
  gateway: Gateway,
  platform: Platform,
  accounts: Stored<Account>[],
): Promise<AccountState[]> {
  const ids = accounts.map(({ record }) => record.id)
  const healths = await readHealths(gateway, platform, ids)
  return accounts.map((stored, i) => ({ ...stored, health: healths[i] ?? healthy }))
}
