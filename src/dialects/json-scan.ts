/** Finds members and elements of a JSON body by byte offset, checking the grammar but building nothing. */
import { GatewayError } from '../errors.ts'

/** A value in a body; `end` is exclusive, and the span holds the value without white space. */
export interface JsonSpan {
  start: number
  end: number
}

/** One member of an object, or one element of an array. */
export interface JsonChild extends JsonSpan {
  /** Decoded, so that `"\u006dodel"` is `model`; undefined in an array, and for a name beyond `maxKeyBytes`. */
  key: string | undefined
}

/**
 * Work on a body that pauses after each stretch, so that whoever runs it can let others run.
 * `runAtOnce` and `runInStretches` run it.
 */
export type Scan<Result> = Generator<undefined, Result>

/** How deep arrays and objects may nest, the body itself included. */
export const maxDepth = 512

/** How many top-level members a body may have: real requests have some twenty. */
export const maxMembers = 1_000

/** Longer numbers, and longer runs of white space, are refused: RFC 8259 §9 leaves the bound to us. */
export const maxRunBytes = 64 * 1024

/** The longest name that is decoded, in bytes of the body. */
export const maxKeyBytes = 1_024

/** How many bytes are scanned without a pause; about a millisecond. */
export const stretchBytes = 128 * 1024

/** Runs a scan without a pause; for a body that is known to be small. */
export function runAtOnce<Result>(scan: Scan<Result>): Result {
  for (;;) {
    const step = scan.next()
    if (step.done) return step.value
  }
}

/** Runs a scan, and waits for `pause` after each stretch. */
export async function runInStretches<Result>(
  scan: Scan<Result>,
  pause: () => Promise<void>,
): Promise<Result> {
  for (;;) {
    const step = scan.next()
    if (step.done) return step.value
    await pause()
  }
}

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
 * Accepts exactly RFC 8259 in well-formed UTF-8 without a byte order mark, within `maxRunBytes`.
 * @throws GatewayError `invalid_json` with the offset of the fault; `invalid_request` when the
 * value is not an object or has more than `maxMembers`.
 */
export function* scanObject(body: Uint8Array): Scan<JsonChild[]> {
  const start = skipSpace(body, 0)
  const isObject = body[start] === openBrace
  const members: JsonChild[] = []
  const walk = walkValue(body, start, isObject)
  for (;;) {
    const step = walk.next()
    if (step.done) {
      expectEnd(body, step.value)
      if (isObject) return members
      throw new GatewayError('invalid_request', 'The request body must be a JSON object')
    }
    if (step.value === undefined) yield
    else members.push(step.value)
    if (members.length > maxMembers) {
      const message = `The request body has more than ${maxMembers} top-level members`
      throw new GatewayError('invalid_request', message)
    }
  }
}

/**
 * The members or elements of the value at `start`, each as soon as it is found; none if it is a
 * scalar. Undefined stands for a pause. `body` must have passed `scanObject`.
 */
export function* childrenOf(
  body: Uint8Array,
  { start }: Pick<JsonSpan, 'start'>,
): Generator<JsonChild | undefined, undefined> {
  yield* walkValue(body, start, true)
}

/**
 * Passes the value at `start`, and yields its children if it `isListed`, and undefined after each
 * stretch. Open containers are kept on a list, not on the stack.
 * @returns the offset after the value.
 */
function* walkValue(
  body: Uint8Array,
  start: number,
  isListed: boolean,
): Generator<JsonChild | undefined, number> {
  const closers: number[] = []
  let stop = start + stretchBytes
  let at = start
  let childStart = -1
  let key: string | undefined
  for (;;) {
    if (at >= stop) {
      yield
      stop = at + stretchBytes
    }
    if (isListed && closers.length === 1) childStart = at
    const first = body[at]
    let isKeyNext = false
    if (first === openBrace || first === openBracket) {
      if (closers.length === maxDepth) throw invalid(`it nests deeper than ${maxDepth} levels`, at)
      const closer = first === openBrace ? closeBrace : closeBracket
      closers.push(closer)
      at = skipSpace(body, at + 1)
      if (body[at] !== closer) {
        if (closer === closeBracket) continue
        isKeyNext = true
      }
    } else if (first === quote) {
      at = skipString(body, at + 1)
      while (at < 0) {
        yield
        at = skipString(body, ~at)
      }
    } else at = skipScalar(body, at, first)
    while (!isKeyNext) {
      const depth = closers.length
      if (depth === 1 && childStart >= 0) {
        yield { key, start: childStart, end: at }
        childStart = -1
      }
      const closer = closers[depth - 1]
      if (closer === undefined) return at
      at = skipSpace(body, at)
      if (body[at] === closer) {
        closers.pop()
        at++
        continue
      }
      if (body[at] !== comma) throw fault(body, at)
      at = skipSpace(body, at + 1)
      if (closer === closeBracket) break
      isKeyNext = true
    }
    if (!isKeyNext) continue
    const keyStart = at
    if (body[at] !== quote) throw fault(body, at)
    at = skipString(body, at + 1)
    while (at < 0) {
      yield
      at = skipString(body, ~at)
    }
    if (closers.length === 1) key = decodeKey(body, keyStart, at)
    at = skipColon(body, at)
  }
}

function decodeKey(body: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > maxKeyBytes) return undefined
  return JSON.parse(utf8.decode(body.subarray(start, end)))
}

function skipScalar(body: Uint8Array, start: number, first: number | undefined): number {
  if (first === minus || isDigit(first)) return skipNumber(body, start)
  const literal = literals.get(first ?? -1)
  if (!literal) throw fault(body, start)
  for (let i = 1; i < literal.length; i++) {
    if (body[start + i] !== literal[i]) throw fault(body, start + i)
  }
  return start + literal.length
}

/** The offset after the string that goes on at `from`, or the complement (`~`) of one up to which it has been passed. */
function skipString(body: Uint8Array, from: number): number {
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

function skipColon(body: Uint8Array, start: number): number {
  const at = skipSpace(body, start)
  if (body[at] !== colon) throw fault(body, at)
  return skipSpace(body, at + 1)
}

function skipSpace(body: Uint8Array, start: number): number {
  const stop = start + maxRunBytes
  let at = start
  let byte = body[at]
  while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
    if (at === stop) throw invalid(`more than ${maxRunBytes} bytes of white space`, at)
    byte = body[++at]
  }
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
