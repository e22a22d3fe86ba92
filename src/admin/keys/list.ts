/** The verb that lists gateway keys: page by page, filtered, sorted. */
import type { ApiKey } from '../../catalog/api-key.ts'
import type { Actor } from '../../domain/actor.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { Page, PageRequest } from '../page.ts'
import { requirePermission } from '../permissions.ts'
import { maxChunk, walkApiKeys } from './walk.ts'

/** Which keys a list shows; a field that is undefined excludes none. */
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

/** Keys that are read for one page at most, so that no list keeps the gateway busy for long. */
export const maxKeysRead = 10_000

export interface ApiKeyListRequest extends PageRequest {
  filter: ApiKeyFilter
  sort: ApiKeyOrder
}

/**
 * Lists keys. In the order of their creation a page for which `maxKeysRead` keys were read may be short
 * although more follow; the order by name has to read every key, so it is refused where there are more.
 * @throws GatewayError `not_permitted`, `invalid_request`
 */
export async function listApiKeys(
  gateway: Gateway,
  { actor, ...request }: ApiKeyListRequest & { actor: Actor },
): Promise<Page<ApiKey>> {
  requirePermission(actor, 'keys:read')
  const { sort, filter, cursor, limit } = request
  const matches = matcher(filter)
  if (sort === 'name' || sort === '-name') return listByName(gateway, request, matches)
  const data: ApiKey[] = []
  let seen = 0
  let last: string | undefined
  // One more than fits tells whether another page follows.
  const chunk = isPlain(filter) ? limit + 1 : maxChunk
  for await (const record of walkApiKeys(gateway, {
    newestFirst: sort === '-createdAt',
    cursor,
    chunk,
  })) {
    if (matches(record)) {
      if (data.length === limit) return { data, nextCursor: data.at(-1)?.id ?? null }
      data.push(record)
    }
    last = record.id
    if (++seen === maxKeysRead) return { data, nextCursor: last }
  }
  return { data, nextCursor: null }
}

const byName = new Intl.Collator('en', { numeric: true })

async function listByName(
  gateway: Gateway,
  { sort, cursor, limit }: ApiKeyListRequest,
  matches: (record: ApiKey) => boolean,
): Promise<Page<ApiKey>> {
  const records: ApiKey[] = []
  for await (const record of walkApiKeys(gateway, { newestFirst: true, chunk: maxChunk })) {
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

function tooManyToSort(): GatewayError {
  const message = `Only up to ${maxKeysRead} keys can be sorted by name`
  const issues = [{ field: 'sort', message }]
  return new GatewayError('invalid_request', `${message}; sort by createdAt`, { issues })
}

function unknownCursor(): GatewayError {
  const issues = [{ field: 'cursor', message: 'No key has this id' }]
  return new GatewayError('invalid_request', 'The request is not valid: see cursor', { issues })
}
