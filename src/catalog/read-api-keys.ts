/** Reads many API keys, in the order of their creation or by their ids, without keeping the process busy for long. */
import { z } from 'zod'
import { sleep } from '../clock.ts'
import type { ApiKey } from './api-key.ts'
import type { CatalogContext } from './context.ts'
import { readApiKey } from './stored-records.ts'

/** What reading needs of the catalog's context. */
export type KeyReader = Pick<CatalogContext, 'runtime' | 'keyspace'>

/** Keys that one step of a walk reads at most. */
export const maxChunk = 500

/** Records that are read and parsed at a stretch: some 1 ms, and some 3 before they are compiled. */
const maxStretch = 50

const Rows = z
  .array(z.string())
  .nullable()
  .transform((rows) => rows ?? [])

/**
 * Every key after the cursor (the id of a key), deleted ones too, in the order of creation. The first
 * step reads `chunk` keys, each further one twice as many as the one before.
 */
export async function* walkApiKeys(
  reader: KeyReader,
  from: { newestFirst: boolean; cursor?: string | undefined; chunk: number },
): AsyncGenerator<ApiKey, undefined> {
  const { newestFirst } = from
  let { cursor, chunk } = from
  for (;;) {
    const ids = await idsAfter(reader, { newestFirst, cursor, chunk })
    yield* await readApiKeys(reader, ids)
    if (ids.length < chunk) return
    cursor = ids.at(-1)
    chunk = Math.min(2 * chunk, maxChunk)
  }
}

async function idsAfter(
  { runtime, keyspace }: KeyReader,
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

/**
 * The records of these ids, in their order, without those that do not exist or cannot be read. The
 * records of an answer are asked for and parsed in stretches, between which other work runs.
 */
export async function readApiKeys(reader: KeyReader, ids: readonly string[]): Promise<ApiKey[]> {
  if (ids.length === 0) return []
  const found = await readRecords(reader, ids)
  // A key that is rotated between the two reads is found under its next digest.
  const isComplete = found.every((record) => record !== undefined)
  const records = isComplete ? found : await readRecords(reader, ids)
  return records.filter((record) => record !== undefined)
}

async function readRecords(
  { runtime, keyspace }: KeyReader,
  ids: readonly string[],
): Promise<(ApiKey | undefined)[]> {
  const digests = await runtime.redis.mget<(string | null)[]>(ids.map(keyspace.apiKeyDigest))
  const readStretch = async (stretch: (string | null)[]) => {
    const pipeline = runtime.redis.pipeline()
    for (const digest of stretch) pipeline.hgetall(keyspace.apiKey(digest ?? ''))
    const replies = z.array(Rows).parse(await pipeline.exec())
    return replies.map((rows) => readApiKey(rows)?.record)
  }
  // Asked for one after the other, but not answered so: a distant store costs one round trip.
  let turn = Promise.resolve()
  const stretches: Promise<(ApiKey | undefined)[]>[] = []
  for (let first = 0; first < digests.length; first += maxStretch) {
    const stretch = digests.slice(first, first + maxStretch)
    if (digests.length > maxStretch) turn = turn.then(() => sleep(runtime, 0))
    stretches.push(turn.then(() => readStretch(stretch)))
  }
  return (await Promise.all(stretches)).flat()
}
