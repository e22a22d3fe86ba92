/** The tokens of JSON (RFC 8259), passed by byte offset: each function checks one kind and builds nothing. */
import { GatewayError } from '../errors.ts'

/** Longer numbers, and longer runs of white space, are refused: RFC 8259 §9 leaves the bound to us. */
export const maxRunBytes = 64 * 1024

/** How many bytes are scanned without a pause; about a millisecond. */
export const stretchBytes = 128 * 1024

export const quote = 0x22
export const comma = 0x2c
const minus = 0x2d
const colon = 0x3a
export const openBracket = 0x5b
const backslash = 0x5c
export const closeBracket = 0x5d
export const openBrace = 0x7b
export const closeBrace = 0x7d

const ascii = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0))
const literals = new Map([
  [0x66, ascii('false')],
  [0x6e, ascii('null')],
  [0x74, ascii('true')],
])
const simpleEscapes = new Set(ascii('"\\/bfnrt'))
export const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function skipScalar(body: Uint8Array, start: number, first: number | undefined): number {
  if (first === minus || isDigit(first)) return skipNumber(body, start)
  const literal = literals.get(first ?? -1)
  if (!literal) throw fault(body, start)
  for (let i = 1; i < literal.length; i++) {
    if (body[start + i] !== literal[i]) throw fault(body, start + i)
  }
  return start + literal.length
}

/** The offset after the string that goes on at `from`, or the complement (`~`) of one up to which it has been passed. */
export function skipString(body: Uint8Array, from: number): number {
  const stop = from + stretchBytes
  let at = from
  for (;;) {
    // The end of the body reads as a control character, so that one comparison stops at both.
    let byte = body[at] ?? 0
    while (byte >= 0x20 && byte < 0x80 && byte !== quote && byte !== backslash && at < stop) {
      byte = body[++at] ?? 0
    }
    if (byte === quote) return at + 1
    if (at >= stop) return ~at
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
  const stop = start + maxRunBytes
  let at = start
  while (isDigit(body[at])) {
    if (at === stop) throw invalid(`a number has more than ${maxRunBytes} digits`, at)
    at++
  }
  if (at === start) throw fault(body, at)
  return at
}

export function skipColon(body: Uint8Array, start: number): number {
  const at = skipSpace(body, start)
  if (body[at] !== colon) throw fault(body, at)
  return skipSpace(body, at + 1)
}

export function skipSpace(body: Uint8Array, start: number): number {
  const stop = start + maxRunBytes
  let at = start
  let byte = body[at]
  while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
    if (at === stop) throw invalid(`more than ${maxRunBytes} bytes of white space`, at)
    byte = body[++at]
  }
  return at
}

const isDigit = (byte = 0) => byte >= 0x30 && byte <= 0x39

const isHexDigit = (byte = 0) => {
  const lower = byte | 0x20
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66)
}

export const fault = (body: Uint8Array, at: number) =>
  invalid(at < body.length ? 'unexpected character' : 'unexpected end', at)

export const invalid = (reason: string, at: number) =>
  new GatewayError('invalid_json', `The request body is not valid JSON: ${reason} at byte ${at}`)
