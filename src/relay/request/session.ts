/** Derives the key of a conversation, so that its requests can stay on one account. */
import { createHash } from 'node:crypto'
import type { Scan } from '../../dialects/json-scan.ts'
import type { HeaderReader } from '../../http-message.ts'
import { type Hints, parseSpan } from './hints.ts'
import { openingDigest } from './opening.ts'

const legacyUser = /^user_[0-9a-f]{64}_account_.*_session_([0-9a-f-]{36})$/i
const deviceUser = /^[0-9a-f]{64}$/i

/** What a request says of the conversation that it belongs to. */
export interface Conversation {
  /** Undefined if there is nothing to go by; see `sessionKey`. */
  sessionKey: string | undefined
  /** Of an id that only the account which issued it can serve; see `affinityDigest`. */
  affinityDigest: string | undefined
}

/** Reads both, in stretches, and from a bounded part of the body. */
export function* readConversation(
  headers: HeaderReader,
  hints: Hints,
  body: Uint8Array<ArrayBuffer>,
): Scan<Conversation> {
  return {
    sessionKey: yield* sessionKey(headers, hints, body),
    affinityDigest: affinityDigest(headers, parseSpan(body, hints.span('previous_response_id'))),
  }
}

/**
 * The session key of a request, from the first source that exists: Claude Code's header and
 * `metadata.user_id`, Codex's headers and `prompt_cache_key`, the device, and at last a digest of
 * the opening of the conversation. It consists of at most 128 characters of `[\w.:-]` and is
 * unique only together with the id of the gateway key. Undefined if there is no source.
 */
export function* sessionKey(
  headers: HeaderReader,
  hints: Hints,
  body: Uint8Array<ArrayBuffer>,
): Scan<string | undefined> {
  const user = userId(parseSpan(body, hints.span('metadata')))
  const named =
    headers.get('x-claude-code-session-id')?.trim() ||
    userSession(user) ||
    // Older versions of Codex send only names with an underscore, which proxies such as nginx may drop.
    headers.get('session-id')?.trim() ||
    headers.get('session_id')?.trim() ||
    headers.get('conversation_id')?.trim() ||
    text(parseSpan(body, hints.span('prompt_cache_key'))) ||
    (deviceUser.test(user) ? user : '')
  return named ? keyPart(named) : yield* openingDigest(body, hints)
}

const text = (value: unknown) => (typeof value === 'string' ? value : '')

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return Reflect.get(value, name)
}

const userId = (metadata: unknown) => text(field(metadata, 'user_id'))

/** Claude Code writes JSON since 2.1.78, and a form with underscores before. */
function userSession(user: string): string {
  if (!user.startsWith('{')) return legacyUser.exec(user)?.[1] ?? ''
  try {
    return text(field(JSON.parse(user), 'session_id'))
  } catch {
    return ''
  }
}

const keyPart = (value: string) =>
  /^[\w.:-]{1,128}$/.test(value) ? value : createHash('sha256').update(value).digest('hex')

/** The response header by which Codex keeps the requests of one turn together, and its request form. */
export const turnStateHeader = 'x-codex-turn-state'

/**
 * The digest of an id in the request that only the account which issued it can serve: the response
 * that it continues, or else the state of the turn it belongs to. Undefined without one.
 */
function affinityDigest(headers: HeaderReader, previousResponseId: unknown): string | undefined {
  const responseId = text(previousResponseId)
  if (responseId !== '') return digestOf('response', responseId)
  const turnState = headers.get(turnStateHeader)?.trim()
  return turnState ? digestOf('turn', turnState) : undefined
}

/** The digests of the ids in an answer that later requests may refer to. */
export function issuedAffinities(headers: HeaderReader, responseId: string | undefined): string[] {
  const turnState = headers.get(turnStateHeader)?.trim()
  return [
    ...(responseId ? [digestOf('response', responseId)] : []),
    ...(turnState ? [digestOf('turn', turnState)] : []),
  ]
}

/** The digest by which the issuer of an id is found. */
export const digestOf = (kind: 'response' | 'turn', id: string) =>
  createHash('sha256').update(`${kind}:${id}`).digest('hex')
