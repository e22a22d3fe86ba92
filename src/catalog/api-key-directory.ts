/** All API keys in memory, in the orders in which the administration lists them. */
import { sleep } from '../clock.ts'
import type { ApiKey } from './api-key.ts'
import { type KeyReader, maxChunk, readApiKeys, walkApiKeys } from './read-api-keys.ts'

/** Keys that the directory holds at most. */
export const maxDirectoryKeys = 10_000

/** After this long everything is read again: a store that was restored names no changes. */
const maxAgeMs = 10 * 60_000
/** Changes that are read one by one; after more of them everything is read again. */
const maxChanges = 200
/** Keys that are put in order at a stretch: well under 5 ms. */
const maxStretch = 100

/** The keys at one moment; never changed, so that a reader may pause. */
export interface KeyListing {
  byId: ReadonlyMap<string, ApiKey>
  /** In ascending order of the id, which is the order of creation. */
  created: readonly ApiKey[]
  /** In ascending order of the name, and of the id among equal names. */
  named: readonly ApiKey[]
}

export type ApiKeyDirectory = ReturnType<typeof createApiKeyDirectory>

type Identified = Pick<ApiKey, 'id'>

const collator = new Intl.Collator('en', { numeric: true })
const compareIds = (a: Identified, b: Identified) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
const compareNames = (a: ApiKey, b: ApiKey) => collator.compare(a.name, b.name) || compareIds(a, b)

/** A listing, and what it was read from. */
interface Reading {
  listing: KeyListing
  /** The latest change that it contains. */
  version: number
  /** Keys of the index, of which a damaged one is not in the listing. */
  ids: ReadonlySet<string>
  readAtMs: number
}

/** Keeps the keys between two lists, and reads only those that any process has changed meanwhile. */
export function createApiKeyDirectory(reader: KeyReader) {
  const { runtime, keyspace } = reader
  let reading: Reading | undefined
  let last: Promise<unknown> = Promise.resolve()

  const readAll = async (version: number): Promise<Reading> => {
    const readAtMs = runtime.monotonicMs()
    const ids = await runtime.redis.zrange<string[]>(keyspace.apiKeyIndex, 0, -1)
    const records: ApiKey[] = []
    for await (const record of walkApiKeys(reader, { newestFirst: false, chunk: maxChunk }))
      records.push(record)
    const listing = await changed({ byId: new Map(), created: [], named: [] }, records)
    return { listing, version, ids: new Set(ids), readAtMs }
  }

  /** Undefined where changes alone do not lead to what is stored. */
  const update = async (
    known: Reading,
    { version, changedIds, count }: { version: number; changedIds: string[]; count: number },
  ): Promise<Reading | undefined> => {
    const isOld = runtime.monotonicMs() - known.readAtMs > maxAgeMs
    const ids = changedIds.length > 0 ? new Set([...known.ids, ...changedIds]) : known.ids
    const isWhole = version >= known.version && changedIds.length <= maxChanges
    if (isOld || !isWhole || ids.size !== count) return undefined
    if (changedIds.length === 0) return known
    const records = await readApiKeys(reader, changedIds)
    // One that cannot be read any more is not shown as it was.
    if (records.length < changedIds.length) return undefined
    const listing = await changed(known.listing, records)
    return { listing, version, ids, readAtMs: known.readAtMs }
  }

  const changed = async (before: KeyListing, records: readonly ApiKey[]): Promise<KeyListing> => {
    const byId = new Map(before.byId)
    const created = [...before.created]
    const named = [...before.named]
    for (const [count, record] of records.entries()) {
      if (count > 0 && count % maxStretch === 0) await sleep(runtime, 0)
      const old = byId.get(record.id)
      if (old) {
        created.splice(positionOf(created, old, compareIds), 1)
        named.splice(positionOf(named, old, compareNames), 1)
      }
      byId.set(record.id, record)
      created.splice(positionOf(created, record, compareIds), 0, record)
      named.splice(positionOf(named, record, compareNames), 0, record)
    }
    return { byId, created, named }
  }

  const refresh = async (): Promise<KeyListing | undefined> => {
    const { redis } = runtime
    const { apiKeyChanges, apiKeyIndex } = keyspace
    const known = reading
    // In this order: a change between these commands is found again by the next list.
    const [latest, count] = await redis
      .pipeline()
      .zrange<string[]>(apiKeyChanges, 0, maxChanges, { rev: true, withScores: true })
      .zcard(apiKeyIndex)
      .exec<[string[], number]>()
    if (count > maxDirectoryKeys) {
      reading = undefined
      return undefined
    }
    const version = Number(latest[1] ?? 0)
    const isNew = (at: number) => Number(latest[at + 1]) > (known?.version ?? 0)
    const changedIds = latest.filter((_, at) => at % 2 === 0 && isNew(at))
    const updated = known && (await update(known, { version, changedIds, count }))
    const next = updated ?? (await readAll(version))
    reading = next
    return next.listing
  }

  return {
    /** The keys as they are stored now; undefined where there are more than `maxDirectoryKeys`. */
    read(): Promise<KeyListing | undefined> {
      if (runtime.isolatesRequests) return refresh()
      // One after the other: a list that begins after an edit must not take part in a reading before it.
      const next = last.then(refresh)
      last = next.catch(() => undefined)
      return next
    },
  }
}

/**
 * The keys after the one with the id `after`, which need not exist in the order of creation.
 * @returns undefined when the order is by name and no key has this id
 */
export function keysAfter(
  listing: KeyListing,
  order: { by: 'name' | 'createdAt'; isDescending: boolean; after: string | undefined },
): Iterable<ApiKey> | undefined {
  const { by, isDescending, after } = order
  const sorted = by === 'name' ? listing.named : listing.created
  if (after === undefined) return slice(sorted, isDescending ? sorted.length - 1 : 0, isDescending)
  const record = listing.byId.get(after)
  if (by === 'name' && !record) return undefined
  const position =
    record && by === 'name'
      ? positionOf(sorted, record, compareNames)
      : positionOf(sorted, { id: after }, compareIds)
  if (isDescending) return slice(sorted, position - 1, isDescending)
  return slice(sorted, record ? position + 1 : position, isDescending)
}

function* slice(sorted: readonly ApiKey[], start: number, isDescending: boolean) {
  const step = isDescending ? -1 : 1
  for (let at = start; at >= 0 && at < sorted.length; at += step) yield sorted[at] as ApiKey
}

/** Where `record` is in the sorted list, or would be. */
function positionOf<T extends Identified>(
  sorted: readonly ApiKey[],
  record: T,
  compare: (a: ApiKey, b: T) => number,
): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (compare(sorted[middle] as ApiKey, record) < 0) low = middle + 1
    else high = middle
  }
  return low
}
