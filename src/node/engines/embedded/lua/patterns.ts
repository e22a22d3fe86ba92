/** Lua patterns, read into items that the matcher goes through. */

/** How often a set of characters stands: once, `*`, `+`, `-` or `?`. */
export type Repeat = '' | '*' | '+' | '-' | '?'

export type Item =
  | { kind: 'set'; set: Uint8Array; repeat: Repeat }
  | { kind: 'open' | 'close' | 'position'; capture: number }
  | { kind: 'balance'; from: number; to: number }
  | { kind: 'frontier'; set: Uint8Array }
  | { kind: 'repeated'; capture: number }
  | { kind: 'end' }
  /** What is wrong with the pattern from here on; an error once a match comes so far. */
  | { kind: 'wrong'; message: string }

export interface Pattern {
  isAnchored: boolean
  items: Item[]
  /** How many captures it opens. */
  captures: number
}

const MOST_CAPTURES = 32
const CACHE_LIMIT = 500

const classes: Record<string, (code: number) => boolean> = {
  a: (c) => isBetween(c | 32, 'a', 'z'),
  c: (c) => c < 32 || c === 127,
  d: (c) => isBetween(c, '0', '9'),
  l: (c) => isBetween(c, 'a', 'z'),
  p: (c) => c > 32 && c < 127 && !isBetween(c | 32, 'a', 'z') && !isBetween(c, '0', '9'),
  s: (c) => c === 32 || (c >= 9 && c <= 13),
  u: (c) => isBetween(c, 'A', 'Z'),
  w: (c) => isBetween(c | 32, 'a', 'z') || isBetween(c, '0', '9'),
  x: (c) => isBetween(c, '0', '9') || isBetween(c | 32, 'a', 'f'),
  z: (c) => c === 0,
}

const isBetween = (code: number, low: string, high: string) =>
  code >= low.charCodeAt(0) && code <= high.charCodeAt(0)

const setOf = (isIn: (code: number) => boolean) =>
  Uint8Array.from({ length: 256 }, (_, code) => (isIn(code) ? 1 : 0))

const sets = new Map<string, Uint8Array>()
for (const [letter, isIn] of Object.entries(classes)) {
  sets.set(letter, setOf(isIn))
  sets.set(
    letter.toUpperCase(),
    setOf((code) => !isIn(code)),
  )
}
const anything = setOf(() => true)

/** The set behind `%`: a class, or the character itself. */
const escaped = (letter: string): Uint8Array =>
  sets.get(letter) ?? setOf((code) => code === letter.charCodeAt(0))

class Wrong extends Error {}

class Reader {
  private at: number
  private readonly text: string
  private readonly open: number[] = []
  private closed = new Set<number>()
  captures = 0

  constructor(text: string, start: number) {
    this.text = text
    this.at = start
  }

  get isDone(): boolean {
    return this.at >= this.text.length
  }

  next(): Item {
    const { text } = this
    const mark = text.charAt(this.at++)
    if (mark === '(') return this.opening()
    if (mark === ')') return this.closing()
    if (mark === '$' && this.isDone) return { kind: 'end' }
    if (mark === '%') {
      const letter = text.charAt(this.at)
      if (letter === 'b') return this.balance()
      if (letter === 'f') return this.frontier()
      if (/\d/.test(letter)) return this.repeated(Number(letter))
    }
    const set = this.single(mark)
    const repeat = text.charAt(this.at)
    if (repeat !== '*' && repeat !== '+' && repeat !== '-' && repeat !== '?') {
      return { kind: 'set', set, repeat: '' }
    }
    this.at++
    return { kind: 'set', set, repeat }
  }

  private single(mark: string): Uint8Array {
    if (mark === '.') return anything
    if (mark === '[') return this.set()
    if (mark !== '%') return setOf((code) => code === mark.charCodeAt(0))
    if (this.isDone) throw new Wrong("malformed pattern (ends with '%')")
    return escaped(this.text.charAt(this.at++))
  }

  private set(): Uint8Array {
    const { text } = this
    const isNegated = text.charAt(this.at) === '^'
    if (isNegated) this.at++
    const members = new Uint8Array(256)
    // A bracket that comes first stands for itself.
    for (let isFirst = true; isFirst || text.charAt(this.at) !== ']'; isFirst = false) {
      if (this.isDone) throw new Wrong("malformed pattern (missing ']')")
      this.member(members)
    }
    this.at++
    return isNegated ? members.map((member) => 1 - member) : members
  }

  private member(members: Uint8Array): void {
    const { text } = this
    const low = text.charAt(this.at++)
    if (low === '%') {
      if (this.isDone) throw new Wrong("malformed pattern (missing ']')")
      escaped(text.charAt(this.at++)).forEach((isIn, code) => {
        if (isIn === 1) members[code] = 1
      })
      return
    }
    const high = text.charAt(this.at + 1)
    if (text.charAt(this.at) === '-' && high !== ']' && high !== '') {
      this.at += 2
      for (let code = low.charCodeAt(0); code <= high.charCodeAt(0); code++) members[code] = 1
    } else members[low.charCodeAt(0)] = 1
  }

  private opening(): Item {
    const capture = this.captures++
    if (capture >= MOST_CAPTURES) throw new Wrong('too many captures')
    if (this.text.charAt(this.at) === ')') {
      this.at++
      this.closed.add(capture)
      return { kind: 'position', capture }
    }
    this.open.push(capture)
    return { kind: 'open', capture }
  }

  private closing(): Item {
    const capture = this.open.pop()
    if (capture === undefined) throw new Wrong('invalid pattern capture')
    this.closed.add(capture)
    return { kind: 'close', capture }
  }

  private balance(): Item {
    const pair = this.text.slice(this.at + 1, this.at + 3)
    if (pair.length < 2) throw new Wrong('unbalanced pattern')
    this.at += 3
    return { kind: 'balance', from: pair.charCodeAt(0), to: pair.charCodeAt(1) }
  }

  private frontier(): Item {
    this.at++
    if (this.text.charAt(this.at) !== '[') throw new Wrong("missing '[' after '%f' in pattern")
    this.at++
    return { kind: 'frontier', set: this.set() }
  }

  private repeated(digit: number): Item {
    this.at++
    const capture = digit - 1
    if (!this.closed.has(capture)) throw new Wrong('invalid capture index')
    return { kind: 'repeated', capture }
  }
}

function read(text: string, mayBeAnchored: boolean): Pattern {
  const isAnchored = mayBeAnchored && text.startsWith('^')
  const zero = text.indexOf('\0')
  // C ends a pattern at a zero byte.
  const reader = new Reader(zero < 0 ? text : text.slice(0, zero), isAnchored ? 1 : 0)
  const items: Item[] = []
  try {
    while (!reader.isDone) items.push(reader.next())
  } catch (error) {
    if (!(error instanceof Wrong)) throw error
    items.push({ kind: 'wrong', message: error.message })
  }
  return { isAnchored, items, captures: reader.captures }
}

const known = new Map<string, Pattern>()
const knownToGmatch = new Map<string, Pattern>()

/** Reads a pattern, once for each text. `gmatch` takes a `^` at its start for a character. */
export function readPattern(text: string, mayBeAnchored = true): Pattern {
  const cache = mayBeAnchored ? known : knownToGmatch
  const cached = cache.get(text)
  if (cached !== undefined) return cached
  if (cache.size >= CACHE_LIMIT) cache.clear()
  const pattern = read(text, mayBeAnchored)
  cache.set(text, pattern)
  return pattern
}
