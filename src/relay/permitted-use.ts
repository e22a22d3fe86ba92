/** What a key may do at all: every check that needs neither the body of a request nor the store. */
import type { ApiKey, ClientName } from '../catalog/api-key.ts'
import { GatewayError } from '../errors.ts'
import type { HeaderReader } from '../http-message.ts'
import type { Platform } from '../platforms/platform.ts'
import { identifyClient } from './request/identify-client.ts'

/** A key, as it is known, and the request that it came with. */
export interface Asking {
  /** Undefined when no such key exists. */
  apiKey: ApiKey | undefined
  headers: HeaderReader
  nowMs: number
  /** It asks for the list of models. */
  listsModels?: true
}

/**
 * The record of a key that may be used, and those of `platforms` that it may use.
 * @param platforms those that serve the route.
 * @throws GatewayError `invalid_api_key`, `key_disabled`, `key_expired`, `not_permitted`
 */
export function permittedUse(
  { apiKey: known, headers, nowMs, listsModels }: Asking,
  platforms: Platform[],
): { apiKey: ApiKey; platforms: Platform[] } {
  const apiKey = usableKey(known, nowMs)
  const permitted = permittedPlatforms(apiKey, platforms)
  checkProgram(apiKey, identifyClient(headers, listsModels))
  return { apiKey, platforms: permitted }
}

/** The record of the key. @throws GatewayError `invalid_api_key`, `key_disabled`, `key_expired` */
export function usableKey(apiKey: ApiKey | undefined, nowMs: number): ApiKey {
  if (!apiKey || apiKey.isDeleted) throw unknownKey()
  if (!apiKey.isActive) throw new GatewayError('key_disabled', 'This gateway key is disabled')
  const { expirationMode, expiresAt } = apiKey
  if (expirationMode === 'fixed' && expiresAt !== null && Date.parse(expiresAt) <= nowMs) {
    throw new GatewayError('key_expired', `This gateway key expired at ${expiresAt}`)
  }
  return apiKey
}

export const unknownKey = () =>
  new GatewayError('invalid_api_key', 'This gateway key does not exist')

function permittedPlatforms({ permissions }: ApiKey, platforms: Platform[]): Platform[] {
  const permitted = platforms.filter(
    ({ permission }) => permissions === 'all' || permissions === permission,
  )
  if (permitted.length > 0 || platforms.length === 0) return permitted
  const needed = [...new Set(platforms.map(({ permission }) => permission))]
  throw new GatewayError(
    'not_permitted',
    `This gateway key may not use ${needed.join(' or ')} models; ask your administrator for a key with the permission ${needed.map((name) => `"${name}" or `).join('')}"all"`,
  )
}

function checkProgram(apiKey: ApiKey, client: ClientName | undefined): void {
  if (!apiKey.enableClientRestriction) return
  if (client && apiKey.allowedClients.includes(client)) return
  const allowed = apiKey.allowedClients.join(', ') || 'none'
  throw new GatewayError(
    'not_permitted',
    `This gateway key may not be used by this program; it may be used by: ${allowed}`,
  )
}
