/** The verb that lists gateway keys: page by page, filtered, sorted. */
import type { ApiKey } from '../../catalog/api-key.ts'
import { type KeyListing, keysAfter, maxDirectoryKeys } from '../../catalog/api-key-directory.ts'
import { maxChunk, walkApiKeys } from '../../catalog/read-api-keys.ts'
import { sleep } from '../../clock.ts'
import type { Actor } from '../../domain/actor.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { Page, PageRequest } from '../page.ts'
import { requirePermission } from '../permissions.ts'

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
const maxKeysRead = maxDirectoryKeys
/** Keys that are compared with a filter at a stretch: some 1 ms. */
const maxStretch = 1_000

export interface ApiKeyListRequest extends PageRequest {
  filter: ApiKeyFilter
  sort: ApiKeyOrder
}

/**
 * Lists keys. A list by name or with a filter is taken from memory, after what has changed since was
 * read. With more keys than memory holds, the order by name is refused, and a page for which
 * `maxKeysRead` keys were read may be short although more follow.
 * @throws GatewayError `not_permitted`, `invalid_request`
 */
export async function listApiKeys(
  gateway: Gateway,
  { actor, ...request }: ApiKeyListRequest & { actor: Actor },
): Promise<Page<ApiKey>> {
  requirePermission(actor, 'keys:read')
  const { sort, filter } = request
  const isByName = sort.endsWith('name')
  const listing = isByName || !isPlain(filter) ? await gateway.apiKeyDirectory.read() : undefined
  if (listing) return listFromMemory(gateway, request, listing)
  if (isByName) throw tooManyToSort()
  return listFromStore(gateway, request)
}

async function listFromStore(
  gateway: Gateway,
  { sort, filter, cursor, limit }: ApiKeyListRequest,
): Promise<Page<ApiKey>> {
  const matches = matcher(filter)
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

async function listFromMemory(
  { runtime }: Gateway,
  { sort, filter, cursor, limit }: ApiKeyListRequest,
  listing: KeyListing,
): Promise<Page<ApiKey>> {
  const by = sort.endsWith('name') ? 'name' : 'createdAt'
  const keys = keysAfter(listing, { by, isDescending: sort.startsWith('-'), after: cursor })
  if (!keys) throw unknownCursor()
  const matches = matcher(filter)
  const data: ApiKey[] = []
  let seen = 0
  for (const record of keys) {
    if (++seen % maxStretch === 0) await sleep(runtime, 0)
    if (!matches(record)) continue
    if (data.length === limit) return { data, nextCursor: data.at(-1)?.id ?? null }
    data.push(record)
  }
  return { data, nextCursor: null }
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
