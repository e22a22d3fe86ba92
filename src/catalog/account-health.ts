/** The health of accounts, read from the records that the scripts keep. */
import { modelFamilies } from '../domain/model-family.ts'
import type { PoolId } from '../domain/platform.ts'
import { decodeHealth, healthField } from '../store/records/health.ts'
import type { CatalogContext } from './context.ts'

/** One record; `recovering`: the cooldown has ended, and no request has succeeded since. */
export interface Health {
  status: 'healthy' | 'cooling' | 'recovering'
  /** Stable word such as `rate_limited`; null when healthy. */
  reason: string | null
  /** RFC 3339; null when healthy. */
  until: string | null
}

/** What a cooldown is for: every model of the account, or one family, which vendors limit separately. */
export const cooldownModels = ['all', ...modelFamilies] as const

/** The record of the account as a whole, or else of the family that cools down longest; and all of them. */
export interface AccountHealth extends Health {
  cooldowns: ({ models: (typeof cooldownModels)[number] } & Health)[]
}

export const healthy: AccountHealth = {
  status: 'healthy',
  reason: null,
  until: null,
  cooldowns: [],
}

/** The fields of an account's health records: the whole account, then each family. */
export const healthFields = (accountId: string): string[] => [
  healthField(accountId),
  ...modelFamilies.map((family) => healthField(accountId, family)),
]

/** Reads the health of accounts of one pool, in their order, in one round trip. */
export async function readHealths(
  { runtime, keyspace }: CatalogContext,
  poolId: PoolId,
  accountIds: string[],
): Promise<AccountHealth[]> {
  if (accountIds.length === 0) return []
  const fields = accountIds.flatMap(healthFields)
  const reply = (await runtime.redis.hmget(keyspace.health(poolId), ...fields)) as unknown
  const packed = (reply ?? []) as (string | null)[]
  const nowMs = runtime.now()
  const stride = cooldownModels.length
  return accountIds.map((_, i) => readHealth(packed.slice(i * stride, (i + 1) * stride), nowMs))
}

/** Reads packed records in the order of `healthFields`; null = no record. */
export function readHealth(packed: (string | null | undefined)[], nowMs: number): AccountHealth {
  const cooldowns = cooldownModels.flatMap((models, i) => {
    const record = readRecord(packed[i], nowMs)
    return record ? [{ models, ...record }] : []
  })
  const [longest] = cooldowns.toSorted((a, b) => (a.until < b.until ? 1 : -1))
  const { status, reason, until } =
    cooldowns.find(({ models }) => models === 'all') ?? longest ?? healthy
  return { status, reason, until, cooldowns }
}

function readRecord(packed: string | null | undefined, nowMs: number) {
  const record = decodeHealth(packed)
  if (!record) return undefined
  const { untilMs, reason } = record
  const status: Health['status'] = untilMs > nowMs ? 'cooling' : 'recovering'
  return { status, reason, until: new Date(untilMs).toISOString() }
}
