/** The health of accounts, read from the records that the scripts keep. */
import type { PoolId } from '../domain/platform.ts'
import { decodeHealth, readHealthField } from '../store/records/health.ts'
import { type Account, mayBeAskedFor } from './account.ts'
import type { CatalogContext } from './context.ts'

/** One record; `recovering`: the cooldown has ended, and no request has succeeded since. */
export interface Health {
  status: 'healthy' | 'cooling' | 'recovering'
  /** Stable word such as `rate_limited`; null when healthy. */
  reason: string | null
  /** RFC 3339; null when healthy. */
  until: string | null
}

/** The record of the account as a whole, or else of the family that cools down longest; and all of them. */
export interface AccountHealth extends Health {
  /** For the whole account (`all`), or for one family of its models, which vendors limit separately. */
  cooldowns: ({ models: string } & Health)[]
}

export const healthy: AccountHealth = {
  status: 'healthy',
  reason: null,
  until: null,
  cooldowns: [],
}

/** Reads the health of accounts of one pool, in their order, in one round trip. */
export async function readHealths(
  { runtime, keyspace }: CatalogContext,
  poolId: PoolId,
  accounts: Account[],
): Promise<AccountHealth[]> {
  if (accounts.length === 0) return []
  const rows = (await runtime.redis.hgetall(keyspace.health(poolId))) as unknown as string[] | null
  const records = recordsByAccount(rows ?? [])
  const nowMs = runtime.now()
  return accounts.map((account) => readHealth(account, records.get(account.id) ?? [], nowMs))
}

/** What is stored for one family of models; for the whole account where `models` is `all`. */
type PackedRecord = [models: string, packed: string]

function recordsByAccount(rows: string[]): Map<string, PackedRecord[]> {
  const byAccount = new Map<string, PackedRecord[]>()
  for (let i = 0; i + 1 < rows.length; i += 2) {
    const { accountId, family = 'all' } = readHealthField(rows[i] ?? '')
    const records = byAccount.get(accountId) ?? []
    byAccount.set(accountId, records)
    records.push([family, rows[i + 1] ?? ''])
  }
  return byAccount
}

/** Reads packed records of an account. Of families that it is not asked for any more, none counts. */
export function readHealth(
  account: Account,
  records: PackedRecord[],
  nowMs: number,
): AccountHealth {
  const cooldowns = records
    .filter(([models]) => models === 'all' || mayBeAskedFor(account, models))
    .flatMap(([models, packed]) => {
      const record = readRecord(packed, nowMs)
      return record ? [{ models, ...record }] : []
    })
    .sort((a, b) => (rankOf(a.models) < rankOf(b.models) ? -1 : 1))
  const [longest] = cooldowns.toSorted((a, b) => (a.until < b.until ? 1 : -1))
  const { status, reason, until } =
    cooldowns.find(({ models }) => models === 'all') ?? longest ?? healthy
  return { status, reason, until, cooldowns }
}

/** The whole account comes first. */
const rankOf = (models: string) => (models === 'all' ? '' : models)

function readRecord(packed: string | null | undefined, nowMs: number) {
  const record = decodeHealth(packed)
  if (!record) return undefined
  const { untilMs, reason } = record
  const status: Health['status'] = untilMs > nowMs ? 'cooling' : 'recovering'
  return { status, reason, until: new Date(untilMs).toISOString() }
}
