/** The digest of how a conversation opens, read from a bounded part of the body. */
import { createHash } from 'node:crypto'
import { childrenOf, type JsonSpan, type Scan } from '../../dialects/json-scan.ts'
import { type Hints, parseSpan } from './hints.ts'

type Body = Uint8Array<ArrayBuffer>

const billingBlock = 'x-anthropic-billing-header:'

/** Of the system prompt and of the first message, each: so many bytes tell conversations apart. */
const maxOpeningBytes = 64 * 1024
/** Of a list of messages or blocks, so many are looked at. */
const maxLooked = 256

/**
 * Digest of the system prompt and the first user message, which later turns repeat; undefined
 * without either.
 */
export function* openingDigest(body: Body, hints: Hints): Scan<string | undefined> {
  const system = yield* partsOf(body, hints.span('system'))
  const opening = [
    ...system.filter((part) => !part.startsWith(billingBlock)),
    ...(yield* partsOf(body, hints.span('instructions'))),
  ]
  const user = yield* firstUserParts(body, hints)
  if (opening.length === 0 && user.length === 0) return undefined
  // JSON keeps the two lists and their parts apart, whatever the texts contain.
  return createHash('sha256')
    .update(JSON.stringify([opening, user]))
    .digest('hex')
}

function* firstUserParts(body: Body, hints: Hints): Scan<string[]> {
  for (const key of ['messages', 'input']) {
    const said = hints.span(key)
    if (!said) continue
    // The input of Responses may also be one string.
    if (isText(body, said)) {
      const parts = yield* partsOf(body, said)
      if (parts.length > 0) return parts
    }
    let looked = 0
    for (const message of childrenOf(body, said)) {
      if (message === undefined) {
        yield
        continue
      }
      if (looked++ === maxLooked) break
      const fields = yield* fieldsOf(body, message)
      if (parseSpan(body, fields.get('role')) === 'user') {
        return yield* partsOf(body, fields.get('content'))
      }
    }
  }
  return []
}

/**
 * The parts of a content field as texts, up to a bound. Only what a block says counts: cache marks
 * move from turn to turn.
 */
function* partsOf(body: Body, content: JsonSpan | undefined): Scan<string[]> {
  if (!content) return []
  if (isText(body, content)) return [textOf(body, content, maxOpeningBytes)].filter(Boolean)
  const parts: string[] = []
  if (body[content.start] !== openBracket) return parts
  let left = maxOpeningBytes
  for (const block of childrenOf(body, content)) {
    if (block === undefined) {
      yield
      continue
    }
    if (left <= 0 || parts.length === maxLooked) break
    parts.push(yield* partOf(body, block, left))
    left -= block.end - block.start
  }
  return parts
}

/** What one block says; of more than `maxBytes` only the beginning, as it stands in the body. */
function* partOf(body: Body, block: JsonSpan, maxBytes: number): Scan<string> {
  if (block.end - block.start <= maxBytes) {
    const value = parseSpan(body, block)
    const said =
      value instanceof Object && Object.hasOwn(value, 'text') && Reflect.get(value, 'text')
    return typeof said === 'string' ? said : JSON.stringify(value, withoutCacheMark)
  }
  const fields = yield* fieldsOf(body, block)
  const said = fields.get('text')
  if (said && isText(body, said)) return textOf(body, said, maxBytes)
  fields.delete('cache_control')
  const spans = fields.size > 0 ? [...fields.values()] : [block]
  return spans.map((span) => raw(body, span, maxBytes)).join()
}

/** The members of an object, up to a bound; none if it is no object. */
function* fieldsOf(body: Body, { start }: JsonSpan): Scan<Map<string, JsonSpan>> {
  const fields = new Map<string, JsonSpan>()
  if (body[start] !== openBrace) return fields
  let looked = 0
  for (const field of childrenOf(body, { start })) {
    if (field === undefined) {
      yield
      continue
    }
    if (looked++ === maxLooked) break
    if (field.key !== undefined) fields.set(field.key, field)
  }
  return fields
}

const openBrace = 0x7b
const openBracket = 0x5b
const quote = 0x22

const isText = (body: Body, { start }: JsonSpan) => body[start] === quote

/** A string; if it is long, its beginning as it stands in the body. */
function textOf(body: Body, span: JsonSpan, maxBytes: number): string {
  const whole = span.end - span.start <= maxBytes ? parseSpan(body, span) : undefined
  return typeof whole === 'string' ? whole : raw(body, span, maxBytes)
}

const raw = (body: Body, { start, end }: JsonSpan, maxBytes: number) =>
  new TextDecoder().decode(body.subarray(start, Math.min(end, start + maxBytes)))

const withoutCacheMark = (name: string, value: unknown) =>
  name === 'cache_control' ? undefined : value
