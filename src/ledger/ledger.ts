/** The usage ledger: packed sums per scope and bucket, how they are named, written and read. */

import type { Redis } from '@upstash/redis'
import type { Account } from '../catalog/account.ts'
import type { Buckets } from '../domain/buckets.ts'
import type { Sums } from '../domain/sums.ts'
import type { Usage } from '../domain/usage.ts'
import { unpackSums } from '../store/records/sums.ts'

/** The sums of a request that was served. */
export function settledSums(
  usage: Usage,
  cost: { costNanoUsd: number } | 'unpriced',
  estimated: boolean,
): Partial<Sums> {
  return {
    requests: 1,
    ...usage,
    costNanoUsd: cost === 'unpriced' ? 0 : cost.costNanoUsd,
    estimatedRequests: estimated ? 1 : 0,
    unpricedRequests: cost === 'unpriced' ? 1 : 0,
  }
}

/** The sums of a request that was not settled: its reservation stands for its cost. */
export function orphanedSums(reservationNanoUsd: number): Partial<Sums> {
  return {
    requests: 1,
    costNanoUsd: reservationNanoUsd,
    orphanedRequests: 1,
    orphanedCostNanoUsd: reservationNanoUsd,
  }
}

/** The ledger of all models that have none of their own. */
export const otherModels = 'other'

/**
 * The model in whose ledger a request for `model` is charged: a ledger is kept for ever, so a name
 * that only the caller knows gets none of its own.
 * @param account what served it.
 * @param isPriced whether the price list names the model that `account` was asked for.
 */
export function ledgerModel(model: string, account: Account, isPriced: boolean): string {
  const { supportedModels: supported } = account
  const isListed = Array.isArray(supported)
    ? supported.includes(model)
    : Object.hasOwn(supported, model)
  return isListed || isPriced ? model : otherModels
}

/** Reads a ledger's total and its current day and month in one round trip. */
export async function readLedger(
  redis: Redis,
  name: string,
  buckets: Buckets,
): Promise<{ total: Sums; daily: Sums; monthly: Sums }> {
  const row = (await redis.hmget(name, 'total', buckets.day, buckets.month)) as unknown
  const [total, daily, monthly] = (row ?? []) as (string | null)[]
  return { total: unpackSums(total), daily: unpackSums(daily), monthly: unpackSums(monthly) }
}
