/** Finds the top-level members of a JSON body by byte offset, checking the grammar but building nothing. */
import { GatewayError } from '../errors.ts'

/** One top-level member; `end` is exclusive, and the span holds the value without white space. */
export interface JsonMember {
  /** Decoded, so that `"\u006dodel"` is `model`. */
  key: string
  start: number
  end: number
}

/** How deep arrays and objects may nest, the body itself included. */
export const maxDepth = 512

/** How many top-level members a body may have: real requests have some twenty. */
export const maxMembers = 1_000

const quote = 0x22
const comma = 0x2c
const minus = 0x2d
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

const ascii = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0))
const literals = new Map([
  [0x66, ascii('false')],
  [0x6e, ascii('null')],
  [0x74, ascii('true')],
])
const simpleEscapes = new Set(ascii('"\\/bfnrt'))
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The top-level members of the object that `body` holds, in their order, duplicates included.
 * Accepts exactly RFC 8259 in well-formed UTF-8 without a byte order mark.
 * @throws GatewayError `invalid_json` with the offset of the fault; `invalid_request` when the
 * value is not an object or has more than `maxMembers`.
 */
export function scanObject(body: Uint8Array): JsonMember[] {
  let at = skipSpace(body, 0)
  if (body[at] !== openBrace) {
    expectEnd(body, skipValue(body, at, maxDepth))
    throw new GatewayError('invalid_request', 'The request body must be a JSON object')
  }
  const members: JsonMember[] = []
  at = skipSpace(body, at + 1)
  if (body[at] === closeBrace) {
    expectEnd(body, at + 1)
    return members
  }
  for (;;) {
    const keyEnd = skipString(body, at)
    if (members.length === maxMembers) {
      const message = `The request body has more than ${maxMembers} top-level members`
      throw new GatewayError('invalid_request', message)
    }
    const key: string = JSON.parse(utf8.decode(body.subarray(at, keyEnd)))
    const start = skipColon(body, keyEnd)
    const end = skipValue(body, start, maxDepth - 1)
    members.push({ key, start, end })
    at = skipSpace(body, end)
    if (body[at] === closeBrace) break
    if (body[at] !== comma) throw fault(body, at)
    at = skipSpace(body, at + 1)
  }
  expectEnd(body, at + 1)
  return members
}

/**
 * The spans of the elements of the array at `start`, found one at a time as they are asked for;
 * none if the value there is not an array. `body` must have passed `scanObject`.
 */
export function* arrayElements(
  body: Uint8Array,
  start: number,
): Generator<[start: number, end: number], undefined> {
  if (body[start] !== openBracket) return
  let at = skipSpace(body, start + 1)
  if (body[at] === closeBracket) return
  for (;;) {
    const end = skipValue(body, at, maxDepth)
    yield [at, end]
    const next = skipSpace(body, end)
    if (body[next] === closeBracket) return
    if (body[next] !== comma) throw fault(body, next)
    at = skipSpace(body, next + 1)
  }
}

/** The offset after the value at `start`; open containers are kept on a list, not on the stack. */
function skipValue(body: Uint8Array, start: number, depth: number): number {
  const closers: number[] = []
  let at = start
  for (;;) {
    const first = body[at]
    if (first === openBrace || first === openBracket) {
      if (closers.length === depth) {
        throw invalid(`it nests deeper than ${maxDepth} levels`, at)
      }
      const closer = first === openBrace ? closeBrace : closeBracket
      closers.push(closer)
      at = skipSpace(body, at + 1)
      if (body[at] !== closer) {
        if (closer === closeBrace) at = skipColon(body, skipString(body, at))
        continue
      }
    } else {
      at = skipScalar(body, at, first)
    }
    for (;;) {
      const closer = closers.at(-1)
      if (closer === undefined) return at
      at = skipSpace(body, at)
      if (body[at] === closer) {
        closers.pop()
        at++
        continue
      }
      if (body[at] !== comma) throw fault(body, at)
      at = skipSpace(body, at + 1)
      if (closer === closeBrace) at = skipColon(body, skipString(body, at))
      break
    }
  }
}

function skipScalar(body: Uint8Array, start: number, first: number | undefined): number {
  if (first === quote) return skipString(body, start)
  if (first === minus || isDigit(first)) return skipNumber(body, start)
  const literal = literals.get(first ?? -1)
  if (!literal) throw fault(body, start)
  for (let i = 1; i < literal.length; i++) {
    if (body[start + i] !== literal[i]) throw fault(body, start + i)
  }
  return start + literal.length
}

function skipString(body: Uint8Array, start: number): number {
  if (body[start] !== quote) throw fault(body, start)
  let at = start + 1
  for (;;) {
    // The end of the body reads as a control character, so that one comparison stops at both.
    let byte = body[at] ?? 0
    while (byte >= 0x20 && byte < 0x80 && byte !== quote && byte !== backslash) {
      byte = body[++at] ?? 0
    }
    if (byte === quote) return at + 1
    if (byte === backslash) at = skipEscape(body, at + 1)
    else if (byte >= 0x80) at = skipSequence(body, at, byte)
    else throw fault(body, at)
  }
}

function skipEscape(body: Uint8Array, at: number): number {
  const byte = body[at]
  if (byte !== undefined && simpleEscapes.has(byte)) return at + 1
  if (byte !== 0x75) throw fault(body, at)
  for (let i = at + 1; i <= at + 4; i++) {
    if (!isHexDigit(body[i])) throw fault(body, i)
  }
  return at + 5
}

/** Passes one character beyond ASCII; overlong forms and surrogates are refused (RFC 3629 §4). */
function skipSequence(body: Uint8Array, at: number, lead: number): number {
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  if (lead < 0xc2 || lead > 0xf4) throw invalid('it is not well-formed UTF-8', at)
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  const second = body[at + 1] ?? 0
  let ok = second >= lowest && second <= highest
  for (let i = 2; i < length; i++) ok &&= ((body[at + i] ?? 0) & 0xc0) === 0x80
  if (!ok) throw invalid('it is not well-formed UTF-8', at)
  return at + length
}

function skipNumber(body: Uint8Array, start: number): number {
  let at = body[start] === minus ? start + 1 : start
  at = body[at] === 0x30 ? at + 1 : skipDigits(body, at)
  if (body[at] === 0x2e) at = skipDigits(body, at + 1)
  if (body[at] === 0x65 || body[at] === 0x45) {
    const sign = body[at + 1]
    at = skipDigits(body, sign === minus || sign === 0x2b ? at + 2 : at + 1)
  }
  return at
}

function skipDigits(body: Uint8Array, start: number): number {
  let at = start
  while (isDigit(body[at])) at++
  if (at === start) throw fault(body, at)
  return at
}

function skipColon(body: Uint8Array, start: number): number {
  const at = skipSpace(body, start)
  if (body[at] !== colon) throw fault(body, at)
  return skipSpace(body, at + 1)
}

function skipSpace(body: Uint8Array, start: number): number {
  let at = start
  let byte = body[at]
  while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = body[++at]
  return at
}

function expectEnd(body: Uint8Array, start: number): void {
  const at = skipSpace(body, start)
  if (at < body.length) throw fault(body, at)
}

const isDigit = (byte = 0) => byte >= 0x30 && byte <= 0x39

const isHexDigit = (byte = 0) => {
  const lower = byte | 0x20
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66)
}

const fault = (body: Uint8Array, at: number) =>
  invalid(at < body.length ? 'unexpected character' : 'unexpected end', at)

const invalid = (reason: string, at: number) =>
  new GatewayError('invalid_json', `The request body is not valid JSON: ${reason} at byte ${at}`)
