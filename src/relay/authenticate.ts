/** Authenticate: from the request's credentials to the key record they stand for. */
import type { Catalog, Snapshot } from '../catalog/catalog.ts'
import { digestApiKey } from '../crypto.ts'
import { GatewayError } from '../errors.ts'

/** The gateway keys a request carries, in either header; clients may send both. */
export function credentialsOf(headers: Headers): string[] {
  const bearer = /^Bearer +(\S+)\s*$/i.exec(headers.get('authorization') ?? '')?.[1]
  const credentials = [headers.get('x-api-key')?.trim() ?? '', bearer ?? '']
  return [...new Set(credentials)].filter((credential) => credential !== '')
}

/**
 * Finds the key of the first credential that is known; costs a round trip only when memory does
 * not know it. State and rights are judged later, by `plan`.
 * @throws GatewayError `invalid_api_key`
 */
export async function authenticate(
  catalog: Catalog,
  headers: Headers,
): Promise<{ snapshot: Snapshot; isFresh: boolean }> {
  const credentials = credentialsOf(headers)
  if (credentials.length === 0) {
    throw new GatewayError(
      'invalid_api_key',
      'No gateway key: send it as x-api-key or as Authorization: Bearer',
    )
  }
  for (const credential of credentials) {
    const digest = digestApiKey(credential)
    const known = catalog.peek(digest) ?? (await catalog.loadApiKey(digest))
    const snapshot = known ?? (await catalog.load(digest))
    if (snapshot.apiKey) return { snapshot, isFresh: !known }
  }
  throw new GatewayError('invalid_api_key', 'This gateway key does not exist')
}
