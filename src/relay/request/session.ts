/** Derives the key of a conversation, so that its requests can stay on one account. */
import { createHash } from 'node:crypto'
import type { Hints } from './hints.ts'

const billingBlock = 'x-anthropic-billing-header:'
const legacyUser = /^user_[0-9a-f]{64}_account_.*_session_([0-9a-f-]{36})$/i
const deviceUser = /^[0-9a-f]{64}$/i

/**
 * The session key of a request, from the first source that exists: Claude Code's header and
 * `metadata.user_id`, Codex's headers and `prompt_cache_key`, the device, and at last a digest of
 * the opening of the conversation. It consists of at most 128 characters of `[\w.:-]` and is
 * unique only together with the id of the gateway key. Undefined if there is no source.
 */
export function sessionKey(headers: Headers, hints: Hints): string | undefined {
  const user = userId(hints.member('metadata'))
  const named =
    headers.get('x-claude-code-session-id')?.trim() ||
    userSession(user) ||
    // Older versions of Codex send only names with an underscore, which proxies such as nginx may drop.
    headers.get('session-id')?.trim() ||
    headers.get('session_id')?.trim() ||
    headers.get('conversation_id')?.trim() ||
    text(hints.member('prompt_cache_key')) ||
    (deviceUser.test(user) ? user : '')
  return named ? keyPart(named) : openingDigest(hints)
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

/** Digest of the system prompt and the first user message, which later turns repeat. */
function openingDigest(hints: Hints): string | undefined {
  const system = parts(hints.member('system')).filter((part) => !part.startsWith(billingBlock))
  const opening = [...system, ...parts(hints.member('instructions'))]
  const user = firstUserParts(hints)
  if (opening.length === 0 && user.length === 0) return undefined
  // JSON keeps the two lists and their parts apart, whatever the texts contain.
  return createHash('sha256')
    .update(JSON.stringify([opening, user]))
    .digest('hex')
}

function firstUserParts(hints: Hints): string[] {
  for (const key of ['messages', 'input']) {
    let isList = false
    for (const message of hints.elements(key)) {
      isList = true
      if (field(message, 'role') === 'user') return parts(field(message, 'content'))
    }
    // The input of Responses may also be one string; a list is not parsed a second time.
    const said = isList ? '' : text(hints.member(key))
    if (said !== '') return [said]
  }
  return []
}

/**
 * The parts of a content field as texts. Only what a block says counts: cache marks move from
 * turn to turn.
 */
function parts(content: unknown): string[] {
  if (typeof content === 'string') return content === '' ? [] : [content]
  if (!Array.isArray(content)) return []
  return content.map((block: unknown) => {
    const said = field(block, 'text')
    return typeof said === 'string' ? said : JSON.stringify(block, withoutCacheMark)
  })
}

const withoutCacheMark = (name: string, value: unknown) =>
  name === 'cache_control' ? undefined : value

/** The response header by which Codex keeps the requests of one turn together, and its request form. */
export const turnStateHeader = 'x-codex-turn-state'

/**
 * The digest of an id in the request that only the account which issued it can serve: the response
 * that it continues, or else the state of the turn it belongs to. Undefined without one.
 */
export function affinityDigest(headers: Headers, hints: Hints): string | undefined {
  const responseId = text(hints.member('previous_response_id'))
  if (responseId !== '') return digestOf('response', responseId)
  const turnState = headers.get(turnStateHeader)?.trim()
  return turnState ? digestOf('turn', turnState) : undefined
}

/** The digests of the ids in an answer that later requests may refer to. */
export function issuedAffinities(headers: Headers, responseId: string | undefined): string[] {
  const turnState = headers.get(turnStateHeader)?.trim()
  return [
    ...(responseId ? [digestOf('response', responseId)] : []),
    ...(turnState ? [digestOf('turn', turnState)] : []),
  ]
}

const digestOf = (kind: 'response' | 'turn', id: string) =>
  createHash('sha256').update(`${kind}:${id}`).digest('hex')
