/** What a request adds to the usage ledger, under which model, and the sums of one key. */

import type { Redis } from '@upstash/redis'
import type { Account } from '../catalog/account.ts'
import type { Buckets } from '../domain/buckets.ts'
import type { Sums } from '../domain/sums.ts'
import type { Usage } from '../domain/usage.ts'
import { keySumsFields } from '../store/lua/charge.ts'
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

/** The name of all models that have none of their own in the usage ledger. */
export const otherModels = 'other'

/**
 * The model under which a request for `model` is charged: months are kept for ever, so a name that only
 * the caller knows gets no row of its own.
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

/** What a key has consumed in total, and in the present day and month. */
export interface KeySums {
  total: Sums
  daily: Sums
  monthly: Sums
}

/** Reads the sums of a key, from the fields of its counters by name. */
export function keySums(field: (name: string) => string, buckets: Buckets): KeySums {
  const present = (name: 'daySums' | 'monthSums', period: string) => {
    const packed = field(name)
    const at = packed.indexOf('|')
    // A later period than this clock's was opened by a clock that is ahead.
    return unpackSums(at > 0 && packed.slice(0, at) >= period ? packed.slice(at + 1) : undefined)
  }
  return {
    total: unpackSums(field('totalSums')),
    daily: present('daySums', buckets.day),
    monthly: present('monthSums', buckets.month),
  }
}

/** Reads the sums of a key in one round trip. */
export async function readKeySums(
  redis: Redis,
  counters: string,
  buckets: Buckets,
): Promise<KeySums> {
  const values = (await redis.hmget(counters, ...keySumsFields)) as unknown as (string | null)[]
  const fields = new Map(keySumsFields.map((name, i) => [String(name), values?.[i] ?? '']))
  return keySums((name) => fields.get(name) ?? '', buckets)
}
