/** Finds members and elements of a JSON body by byte offset, checking the grammar but building nothing. */
import { GatewayError } from '../errors.ts'
import {
  closeBrace,
  closeBracket,
  comma,
  fault,
  invalid,
  openBrace,
  openBracket,
  quote,
  skipColon,
  skipScalar,
  skipSpace,
  skipString,
  stretchBytes,
  utf8,
} from './json-tokens.ts'

export { stretchBytes }

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
 * Gets a name below the top level: where it begins, where its value does, how deep the object is that has
 * it (the body itself is 1), and in which top-level member.
 */
export type KeyVisitor = (
  start: number,
  valueStart: number,
  depth: number,
  member: string | undefined,
) => void

/**
 * Work on a body that pauses after each stretch, so that its caller can let other work run.
 * `runAtOnce` and `runInStretches` run it.
 */
export type Scan<Result> = Generator<undefined, Result>

/** How deep arrays and objects may nest, the body itself included. */
export const maxDepth = 512

/** How many top-level members a body may have: real requests have some twenty. */
export const maxMembers = 1_000

/** The longest name that is decoded, in bytes of the body. */
const maxKeyBytes = 1_024

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

/**
 * The top-level members of the object that `body` holds, in their order, duplicates included.
 * Accepts exactly RFC 8259 in well-formed UTF-8 without a byte order mark, within the bounds of the tokens.
 * @param onKey is called for each name below; it must be cheap.
 * @throws GatewayError `invalid_json` with the offset of the fault; `invalid_request` when the
 * value is not an object or has more than `maxMembers`.
 */
export function* scanObject(body: Uint8Array, onKey?: KeyVisitor): Scan<JsonChild[]> {
  const start = skipSpace(body, 0)
  const isObject = body[start] === openBrace
  const members: JsonChild[] = []
  const walk = walkValue(body, start, isObject, onKey)
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
  onKey?: KeyVisitor,
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
    const keyEnd = at
    at = skipColon(body, at)
    if (closers.length === 1) key = decodeKey(body, keyStart, keyEnd)
    else onKey?.(keyStart, at, closers.length, key)
  }
}

function decodeKey(body: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > maxKeyBytes) return undefined
  return JSON.parse(utf8.decode(body.subarray(start, end)))
}

function expectEnd(body: Uint8Array, start: number): void {
  const at = skipSpace(body, start)
  if (at < body.length) throw fault(body, at)
}
