/** Lists of gateway keys: page by page, filtered, sorted, or those bound to one account. */

import type { ApiKey } from '../../catalog/api-key.ts'
import { readApiKey, type Stored } from '../../catalog/catalog.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { Page, PageRequest } from '../page.ts'

/** Which keys a list shows; what is undefined does not matter. */
export interface ApiKeyFilter {
  includeDeleted: boolean
  isActive: boolean | undefined
  permissions: ApiKey['permissions'] | undefined
  tag: string | undefined
  /** Part of the name, description, preview or a tag, in any case. */
  search: string | undefined
}

export const apiKeyOrders = ['createdAt', '-createdAt', 'name', '-name'] as const
export type ApiKeyOrder = (typeof apiKeyOrders)[number]

/** Keys that one page may look at, so that no list holds up the gateway. */
export const maxKeysRead = 10_000
const chunkSize = 500

/**
 * Lists keys. In the order of their creation a page that has looked at `maxKeysRead` keys may be short
 * although more follow; the order by name has to see every key, so it is refused where there are more.
 * @throws GatewayError `invalid_request`
 */
export async function listApiKeys(
  gateway: Gateway,
  request: PageRequest & { filter: ApiKeyFilter; sort: ApiKeyOrder },
): Promise<Page<ApiKey>> {
  const { sort, filter, cursor, limit } = request
  const matches = matcher(filter)
  if (sort === 'name' || sort === '-name') return listByName(gateway, request, matches)
  const data: ApiKey[] = []
  let seen = 0
  let last: string | undefined
  // One more than fits tells whether another page follows.
  const chunk = isPlain(filter) ? limit + 1 : chunkSize
  for await (const record of walk(gateway, { newestFirst: sort === '-createdAt', cursor, chunk })) {
    if (matches(record)) {
      if (data.length === limit) return { data, nextCursor: data.at(-1)?.id ?? null }
      data.push(record)
    }
    last = record.id
    if (++seen === maxKeysRead) return { data, nextCursor: last }
  }
  return { data, nextCursor: null }
}

/** The keys, deleted ones aside, that only this account may serve. */
export async function keysBoundTo(gateway: Gateway, accountId: string): Promise<ApiKey[]> {
  const bound: ApiKey[] = []
  for await (const record of walk(gateway, { newestFirst: true, chunk: chunkSize })) {
    const ids = [record.claudeConsoleAccountId, record.codexAccountId]
    if (!record.isDeleted && ids.includes(accountId)) bound.push(record)
  }
  return bound
}

const byName = new Intl.Collator('en', { numeric: true })

async function listByName(
  gateway: Gateway,
  { sort, cursor, limit }: PageRequest & { sort: ApiKeyOrder },
  matches: (record: ApiKey) => boolean,
): Promise<Page<ApiKey>> {
  const records: ApiKey[] = []
  for await (const record of walk(gateway, { newestFirst: true, chunk: chunkSize })) {
    if (records.length === maxKeysRead) throw tooManyToSort()
    records.push(record)
  }
  const direction = sort === 'name' ? 1 : -1
  const compare = (a: ApiKey, b: ApiKey) =>
    direction * (byName.compare(a.name, b.name) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  const start = records.find(({ id }) => id === cursor)
  if (cursor !== undefined && !start) throw unknownCursor()
  const following = records
    .filter((record) => matches(record) && (!start || compare(record, start) > 0))
    .sort(compare)
  const data = following.slice(0, limit)
  return { data, nextCursor: following.length > limit ? (data.at(-1)?.id ?? null) : null }
}

const isPlain = ({ isActive, permissions, tag, search }: ApiKeyFilter) =>
  [isActive, permissions, tag, search].every((value) => value === undefined)

function matcher(filter: ApiKeyFilter): (record: ApiKey) => boolean {
  const { includeDeleted, isActive, permissions, tag } = filter
  const search = filter.search?.toLowerCase()
  return (record) => {
    if (record.isDeleted && !includeDeleted) return false
    if (isActive !== undefined && record.isActive !== isActive) return false
    if (permissions !== undefined && record.permissions !== permissions) return false
    if (tag !== undefined && !record.tags.includes(tag)) return false
    if (search === undefined) return true
    const texts = [record.name, record.description, record.keyPreview, ...record.tags]
    return texts.some((text) => text.toLowerCase().includes(search))
  }
}

/** Every key after the cursor, in the order of creation, read `chunk` at first and then more at a time. */
async function* walk(
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
    chunk = Math.min(2 * chunk, chunkSize)
  }
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
  const rows = (await pipeline.exec()) as unknown as (string[] | null)[]
  const found = rows.map((row) => readApiKey(row ?? []))
  // A key that is rotated between the two reads is found under its next digest.
  const isComplete = isSecondTry || found.every((stored) => stored !== undefined)
  if (!isComplete) return readMany(gateway, ids, true)
  return found.flatMap((stored) => stored ?? [])
}

function tooManyToSort(): GatewayError {
  const message = `Only up to ${maxKeysRead} keys can be sorted by name`
  const issues = [{ field: 'sort', message }]
  return new GatewayError('invalid_request', `${message}; sort by createdAt`, { issues })
}

function unknownCursor(): GatewayError {
  const issues = [{ field: 'cursor', message: 'No key has this id' }]
  return new GatewayError('invalid_request', 'The request is not valid: see cursor', { issues })
}
