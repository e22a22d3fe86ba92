/** The verbs on upstream accounts: create, list, get, remove. */
import { v7 as uuidv7 } from 'uuid'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { writeAccountScript } from '../store/scripts/catalog.ts'
import { checkUpstreamUrl } from '../upstream-url.ts'
import type { Account, AccountInput, Platform } from './account.ts'
import type { Stored } from './catalog.ts'
import type { Page, PageRequest } from './page.ts'
import { ensureSealingKey } from './sealing.ts'

/** How an account fares: `recovering` waits for the one request that tries it again. */
export interface AccountHealth {
  status: 'healthy' | 'cooling' | 'recovering'
  /** Stable word such as `rate_limited`; null when healthy. */
  reason: string | null
  /** RFC 3339; null when healthy. */
  until: string | null
}

export interface AccountState {
  record: Account
  health: AccountHealth
}

/**
 * Creates an account and seals its credential.
 * @throws GatewayError `invalid_request` when the gateway may not call this address, `misconfigured`
 * when this gateway seals with another key than the store's.
 */
export async function createAccount(
  gateway: Gateway,
  platform: Platform,
  input: AccountInput,
): Promise<AccountState> {
  const { runtime, keyspace, sealer } = gateway
  const allowPrivate = runtime.config.ALLOW_PRIVATE_UPSTREAMS
  const message = checkUpstreamUrl(input.apiUrl, { allowPrivate })
  if (message !== undefined) {
    const issues = [{ field: 'apiUrl', message }]
    throw new GatewayError('invalid_request', 'The gateway may not call this apiUrl', { issues })
  }
  await ensureSealingKey(gateway)
  const { apiKey, ...settings } = input
  const nowMs = runtime.now()
  const createdAt = new Date(nowMs).toISOString()
  const id = uuidv7({ msecs: nowMs })
  const sealedApiKey = sealer.seal(apiKey, id)
  const record: Account = {
    ...settings,
    id,
    platform,
    sealedApiKey,
    createdAt,
    updatedAt: createdAt,
  }
  const write = { accountId: id, expectedRevision: 0, record: JSON.stringify(record) }
  if ((await writeAccountScript(runtime.redis, keyspace, write)) === 'conflict') throw conflict()
  runtime.log.info('account_created', { accountId: id, platform })
  return { record, health: readHealth(null, nowMs) }
}

/** Lists the accounts of a platform, oldest first. */
export async function listAccounts(
  gateway: Gateway,
  platform: Platform,
  { cursor = '', limit }: PageRequest,
): Promise<Page<AccountState>> {
  const { accounts } = await gateway.catalog.loadPool()
  const following = [...accounts.values()]
    .map(({ record }) => record)
    .filter((account) => account.platform === platform && account.id > cursor)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
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
  const { record } = await find(gateway, platform, accountId)
  const [state] = await withHealth(gateway, platform, [record])
  if (!state) throw unknownAccount(platform)
  return state
}

/**
 * Deletes an account for good; requests that run on it end as they would have.
 * @returns the account as it was.
 * @throws GatewayError `not_found`, `conflict`
 */
export async function removeAccount(
  gateway: Gateway,
  platform: Platform,
  accountId: string,
): Promise<Account> {
  const { runtime, keyspace } = gateway
  const { record, revision } = await find(gateway, platform, accountId)
  const write = { accountId, expectedRevision: revision, record: undefined }
  if ((await writeAccountScript(runtime.redis, keyspace, write)) === 'conflict') throw conflict()
  runtime.log.info('account_deleted', { accountId, platform })
  return record
}

/** Reads a health record as the scripts keep it; null = healthy. */
export function readHealth(packed: string | null, nowMs: number): AccountHealth {
  const [, untilMs, reason] = /^(\d+)\|\d+\|\d+\|(.*)$/.exec(packed ?? '') ?? []
  if (untilMs === undefined || reason === undefined) {
    return { status: 'healthy', reason: null, until: null }
  }
  const until = new Date(Number(untilMs)).toISOString()
  return { status: Number(untilMs) > nowMs ? 'cooling' : 'recovering', reason, until }
}

async function find(
  gateway: Gateway,
  platform: Platform,
  accountId: string,
): Promise<Stored<Account>> {
  const stored = (await gateway.catalog.loadPool()).accounts.get(accountId)
  if (stored?.record.platform !== platform) throw unknownAccount(platform)
  return stored
}

async function withHealth(
  { runtime, keyspace }: Gateway,
  platform: Platform,
  records: Account[],
): Promise<AccountState[]> {
  if (records.length === 0) return []
  const ids = records.map((record) => record.id)
  const reply = (await runtime.redis.hmget(keyspace.health(platform), ...ids)) as unknown
  const packed = (reply ?? []) as (string | null)[]
  const nowMs = runtime.now()
  return records.map((record, i) => ({ record, health: readHealth(packed[i] ?? null, nowMs) }))
}

const unknownAccount = (platform: Platform) =>
  new GatewayError('not_found', `No ${platform} account has this id`)
const conflict = () =>
  new GatewayError('conflict', 'The account was changed meanwhile; read it and try again')
