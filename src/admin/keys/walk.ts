/** Walks through the gateway keys in the order of their creation, many with each round trip. */
import { z } from 'zod'
import type { ApiKey } from '../../catalog/api-key.ts'
import { readApiKey, type Stored } from '../../catalog/stored-records.ts'
import type { Gateway } from '../../gateway.ts'
import { Rows } from '../replies.ts'

/** Keys that one round trip reads at most. */
export const maxChunk = 500

/**
 * Every key after the cursor (the id of a key), deleted ones too, in the order of creation. The first
 * round trip reads `chunk` keys, each further one twice as many as the one before.
 */
export async function* walkApiKeys(
  gateway: Gateway,
  from: { newestFirst: boolean; cursor?: string | undefined; chunk: number },
): AsyncGenerator<ApiKey, undefined> {
  const { newestFirst } = from
  let { cursor, chunk } = from
  for (;;) {
    const ids = await idsAfter(gateway, { newestFirst, cursor, chunk })
    for (const { record } of await readMany(gateway, ids)) yield record
    if (ids.length < chunk) return
    cursor = ids.at(-1)
    chunk = Math.min(2 * chunk, maxChunk)
  }
}

/** The keys, without deleted ones, that only this account may serve. */
export async function keysBoundTo(gateway: Gateway, accountId: string): Promise<ApiKey[]> {
  const bound: ApiKey[] = []
  for await (const record of walkApiKeys(gateway, { newestFirst: true, chunk: maxChunk })) {
    const ids = gateway.platforms.all.map(({ boundAccountField }) => record[boundAccountField])
    if (!record.isDeleted && ids.includes(accountId)) bound.push(record)
  }
  return bound
}

async function idsAfter(
  { runtime, keyspace }: Gateway,
  from: { newestFirst: boolean; cursor: string | undefined; chunk: number },
): Promise<string[]> {
  const { newestFirst, cursor, chunk: count } = from
  const after = cursor === undefined ? undefined : (`(${cursor}` as const)
  const index = keyspace.apiKeyIndex
  return newestFirst
    ? runtime.redis.zrange<string[]>(index, after ?? '+', '-', {
        byLex: true,
        rev: true,
        offset: 0,
        count,
      })
    : runtime.redis.zrange<string[]>(index, after ?? '-', '+', { byLex: true, offset: 0, count })
}

async function readMany(
  gateway: Gateway,
  ids: string[],
  isSecondTry = false,
): Promise<Stored<ApiKey>[]> {
  const { runtime, keyspace } = gateway
  if (ids.length === 0) return []
  const digests = await runtime.redis.mget<(string | null)[]>(ids.map(keyspace.apiKeyDigest))
  const pipeline = runtime.redis.pipeline()
  for (const digest of digests) pipeline.hgetall(keyspace.apiKey(digest ?? ''))
  const found = z
    .array(Rows)
    .parse(await pipeline.exec())
    .map(readApiKey)
  // A key that is rotated between the two reads is found under its next digest.
  const isComplete = isSecondTry || found.every((stored) => stored !== undefined)
  if (!isComplete) return readMany(gateway, ids, true)
  return found.flatMap((stored) => stored ?? [])
}
