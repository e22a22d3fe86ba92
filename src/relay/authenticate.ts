/** Authenticate: from the request's credentials to the key record they stand for. */
import type { Catalog, FoundKey, Snapshot } from '../catalog/catalog.ts'
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
function credentialsOf(headers: HeaderReader): string[] {
  const credentials = [headers.get('x-api-key')?.trim() ?? '', bearerToken(headers) ?? '']
  return [...new Set(credentials)].filter((credential) => credential !== '')
}

/** The token of `Authorization: Bearer` (RFC 6750 §2.1); undefined without one. */
function bearerToken(headers: HeaderReader): string | undefined {
  const value = headers.get('authorization') ?? ''
  if (!/^bearer /i.test(value)) return undefined
  const token = value.slice('bearer '.length).trim()
  return token === '' || /\s/.test(token) ? undefined : token
}

/**
 * Finds the key of the first credential that is known, and whether `check` lets it pass; costs a
 * round trip only when memory does not know it. A refusal made with what memory or another request knew is confirmed
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
    const found = known
      ? { snapshot: known, isFresh: false, isJoined: true }
      : await catalog.findApiKey(digest)
    if (found.snapshot.apiKey) return checked(catalog, found, check)
  }
  throw unknownKey()
}

async function checked(
  catalog: Catalog,
  { snapshot, isFresh, isJoined }: FoundKey,
  check: (snapshot: Snapshot) => void,
): Promise<Principal> {
  try {
    check(snapshot)
    return { snapshot, isFresh }
  } catch (refusal) {
    if (!isJoined) throw refusal
    const confirmed = await catalog.confirmApiKey(snapshot.digest)
    check(confirmed.snapshot)
    return { snapshot: confirmed.snapshot, isFresh: confirmed.isFresh }
  }
}
