/** Authenticate: from the request's credentials to the key record they stand for. */
import type { Catalog, Snapshot } from '../catalog/catalog.ts'
import { couldBeApiKey, digestApiKey } from '../crypto.ts'
import { GatewayError } from '../errors.ts'
import type { HeaderReader } from '../http-message.ts'
import { unknownKey } from './permitted-use.ts'

/** A key that the catalog knows. */
export interface Principal {
  snapshot: Snapshot
  /** Whether all of `snapshot` was read for this request: what follows from it is final. */
  isFresh: boolean
}

/** The gateway keys a request carries, in either header; clients may send both. */
export function credentialsOf(headers: HeaderReader): string[] {
  const credentials = [headers.get('x-api-key')?.trim() ?? '', bearerToken(headers) ?? '']
  return [...new Set(credentials)].filter((credential) => credential !== '')
}

/** The token of `Authorization: Bearer` (RFC 6750 §2.1); undefined without one. */
export function bearerToken(headers: HeaderReader): string | undefined {
  const value = headers.get('authorization') ?? ''
  if (!/^bearer /i.test(value)) return undefined
  const token = value.slice('bearer '.length).trim()
  return token === '' || /\s/.test(token) ? undefined : token
}

/**
 * Finds the key of the first credential that is known, and whether `check` lets it pass; costs a
 * round trip only when memory does not know it. A refusal made with what memory knew is confirmed
 * by reading the key once more, since it may just have been edited elsewhere.
 * @param check judges a key without the body of its request; throws to refuse it.
 * @throws GatewayError `invalid_api_key`, and what `check` throws.
 */
export async function authenticate(
  catalog: Catalog,
  headers: HeaderReader,
  check: (snapshot: Snapshot) => void,
): Promise<Principal> {
  const credentials = credentialsOf(headers)
  if (credentials.length === 0) {
    throw new GatewayError(
      'invalid_api_key',
      'No gateway key: send it as x-api-key or as Authorization: Bearer',
    )
  }
  for (const credential of credentials) {
    if (!couldBeApiKey(credential)) continue
    const digest = digestApiKey(credential)
    const known = catalog.peek(digest)
    const principal = known ? { snapshot: known, isFresh: false } : await read(catalog, digest)
    if (principal.snapshot.apiKey) return checked(catalog, principal, known !== undefined, check)
  }
  throw unknownKey()
}

/** The key as the store has it, with the pool only where memory has none. */
async function read(catalog: Catalog, digest: string): Promise<Principal> {
  const snapshot = await catalog.loadApiKey(digest)
  return snapshot
    ? { snapshot, isFresh: false }
    : { snapshot: await catalog.load(digest), isFresh: true }
}

async function checked(
  catalog: Catalog,
  principal: Principal,
  isFromMemory: boolean,
  check: (snapshot: Snapshot) => void,
): Promise<Principal> {
  try {
    check(principal.snapshot)
    return principal
  } catch (refusal) {
    if (!isFromMemory) throw refusal
    const confirmed = await read(catalog, principal.snapshot.digest)
    check(confirmed.snapshot)
    return confirmed
  }
}
