/** Derives the key of a conversation, so that its requests can stay on one account. */
import { createHash } from 'node:crypto'
import type { IssuedId } from '../../dialects/dialect.ts'
import type { Scan } from '../../dialects/json-scan.ts'
import type { HeaderReader } from '../../http-message.ts'
import { type Hints, parseSpan } from './hints.ts'
import { openingDigest } from './opening.ts'

const legacyUser = /^user_[0-9a-f]{64}_account_.*_session_([0-9a-f-]{36})$/i
const deviceUser = /^[0-9a-f]{64}$/i

/**
 * What in a request only the account can serve that issued it: the response or the conversation that it goes
 * on, a container, the state of a turn, encrypted content, a file.
 */
export type Binding = IssuedId['kind'] | 'turn' | 'content' | 'file'

/** What a request says of the conversation that it belongs to. */
export interface Conversation {
  /** Undefined if there is nothing to go by; see `sessionKey`. */
  sessionKey: string | undefined
  /** Undefined: any account can serve it, and others may be asked where one fails. */
  binding: Binding | undefined
  /** Of the id that binds it, by which the account is found that issued it; undefined without one. */
  affinityDigest: string | undefined
  /** Whether it holds what was encrypted for the account that serves its session. */
  hasBoundContent: boolean
}

/** Of a request that belongs to none. */
export const noConversation: Conversation = {
  sessionKey: undefined,
  binding: undefined,
  affinityDigest: undefined,
  hasBoundContent: false,
}

/** Reads it in stretches, and from a bounded part of the body. */
export function* readConversation(
  headers: HeaderReader,
  hints: Hints,
  body: Uint8Array<ArrayBuffer>,
): Scan<Conversation> {
  const { hasEncryptedContent, hasFile } = hints.references
  const id = boundId(headers, hints, body)
  return {
    sessionKey: yield* sessionKey(headers, hints, body),
    binding: id?.kind ?? (hasEncryptedContent ? 'content' : hasFile ? 'file' : undefined),
    affinityDigest: id && digestOf(id.kind, id.id),
    hasBoundContent: hasEncryptedContent,
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
const turnStateHeader = 'x-codex-turn-state'

/** The id in the request that says most exactly which account can serve it. */
function boundId(
  headers: HeaderReader,
  hints: Hints,
  body: Uint8Array<ArrayBuffer>,
): { kind: IssuedId['kind'] | 'turn'; id: string } | undefined {
  const member = (key: string) => parseSpan(body, hints.span(key))
  const named = (value: unknown) => text(value) || text(field(value, 'id'))
  const response = text(member('previous_response_id'))
  if (response !== '') return { kind: 'response', id: response }
  const conversation = named(member('conversation'))
  if (conversation !== '') return { kind: 'conversation', id: conversation }
  const container = named(member('container')) || toolContainer(hints, body)
  if (container !== '') return { kind: 'container', id: container }
  const turnState = headers.get(turnStateHeader)?.trim()
  return turnState ? { kind: 'turn', id: turnState } : undefined
}

const maxContainerBytes = 256

/** The id of the container that a tool of the request runs in. */
function toolContainer({ references }: Hints, body: Uint8Array<ArrayBuffer>): string {
  const start = references.containerStart
  if (start === undefined) return ''
  const beginning = new TextDecoder().decode(body.subarray(start, start + maxContainerBytes))
  return /^"([\w-]+)"/.exec(beginning)?.[1] ?? ''
}

/** The digests of the ids in an answer that later requests may refer to. */
export function issuedAffinities(headers: HeaderReader, issued: readonly IssuedId[]): string[] {
  const turnState = headers.get(turnStateHeader)?.trim()
  return [
    ...issued.map(({ kind, id }) => digestOf(kind, id)),
    ...(turnState ? [digestOf('turn', turnState)] : []),
  ]
}

/** The digest by which the issuer of an id is found. */
export const digestOf = (kind: IssuedId['kind'] | 'turn', id: string) =>
  createHash('sha256').update(`${kind}:${id}`).digest('hex')
