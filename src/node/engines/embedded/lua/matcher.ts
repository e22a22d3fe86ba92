/** Matches strings with Lua patterns. */
import type { Lines } from './errors.ts'
import type { Budget } from './limits.ts'
import type { Item, Pattern } from './patterns.ts'
import type { Value } from './table.ts'

const OPEN = -1
const POSITION = -2

type SetItem = Extract<Item, { kind: 'set' }>

/** One pattern on one string. */
export class Matcher {
  /** Where the match has begun. */
  start = 0
  private readonly text: string
  private readonly items: Item[]
  private readonly lines: Lines
  private readonly budget: Budget
  private readonly starts: number[] = []
  private readonly lengths: number[] = []
  private level = 0

  constructor(text: string, pattern: Pattern, lines: Lines, budget: Budget) {
    this.text = text
    this.items = pattern.items
    this.lines = lines
    this.budget = budget
  }

  /** The end of the match that begins at this place, or -1. */
  matchAt(start: number): number {
    this.start = start
    this.level = 0
    return this.match(0, start)
  }

  get hasCaptures(): boolean {
    return this.level > 0
  }

  /** The text of the last match. */
  whole(end: number): string {
    return this.text.slice(this.start, end)
  }

  /** The captures of the last match; the whole match where there are none. */
  captures(end: number): Value[] {
    if (this.level === 0) return [this.text.slice(this.start, end)]
    const captures: Value[] = []
    for (let index = 0; index < this.level; index++) captures.push(this.capture(index, end))
    return captures
  }

  /** One capture; the first one is the whole match where the pattern has none. */
  capture(index: number, end: number): Value {
    if (index >= this.level) {
      if (index === 0) return this.text.slice(this.start, end)
      return this.lines.raise('invalid capture index')
    }
    const start = this.starts[index] ?? 0
    const length = this.lengths[index] ?? OPEN
    if (length === OPEN) return this.lines.raise('unfinished capture')
    return length === POSITION ? start + 1 : this.text.slice(start, start + length)
  }

  private match(first: number, from: number): number {
    const { text, items } = this
    let at = from
    for (let index = first; index < items.length; index++) {
      const item = items[index] as Item
      if (item.kind === 'set') {
        if (item.repeat !== '') return this.repeat(item, index + 1, at)
        if (at >= text.length || item.set[text.charCodeAt(at)] !== 1) return -1
        at++
      } else if (item.kind === 'open' || item.kind === 'position') {
        return this.open(item, index + 1, at)
      } else if (item.kind === 'close') {
        return this.close(item.capture, index + 1, at)
      } else {
        at = this.other(item, at)
        if (at < 0) return -1
      }
    }
    return at
  }

  private repeat({ set, repeat }: SetItem, next: number, from: number): number {
    const { text, budget } = this
    budget.charge(1)
    if (repeat === '-') return this.repeatLeast(set, next, from)
    let end = from
    const most = repeat === '?' ? Math.min(from + 1, text.length) : text.length
    while (end < most && set[text.charCodeAt(end)] === 1) end++
    budget.charge(end - from)
    const least = repeat === '+' ? from + 1 : from
    // Behind the last item nothing can fail.
    if (next === this.items.length) return end >= least ? end : -1
    for (let at = end; at >= least; at--) {
      const result = this.match(next, at)
      if (result >= 0) return result
    }
    return -1
  }

  private repeatLeast(set: Uint8Array, next: number, from: number): number {
    const { text, budget } = this
    for (let at = from; ; at++) {
      budget.charge(1)
      const result = this.match(next, at)
      if (result >= 0) return result
      if (at >= text.length || set[text.charCodeAt(at)] !== 1) return -1
    }
  }

  private open(item: Extract<Item, { capture: number }>, next: number, at: number): number {
    this.starts[item.capture] = at
    this.lengths[item.capture] = item.kind === 'open' ? OPEN : POSITION
    this.level = item.capture + 1
    const result = this.match(next, at)
    if (result < 0) this.level = item.capture
    return result
  }

  private close(capture: number, next: number, at: number): number {
    this.lengths[capture] = at - (this.starts[capture] ?? 0)
    const result = this.match(next, at)
    if (result < 0) this.lengths[capture] = OPEN
    return result
  }

  /** Where the text goes on behind an item that matches in one way only; -1 where it does not match. */
  private other(item: Item, at: number): number {
    const { text } = this
    if (item.kind === 'end') return at === text.length ? at : -1
    if (item.kind === 'balance') return this.balance(item.from, item.to, at)
    if (item.kind === 'repeated') {
      const part = this.capture(item.capture, at)
      // A position stands for no text.
      if (typeof part !== 'string') return -1
      this.budget.charge(part.length)
      return text.startsWith(part, at) ? at + part.length : -1
    }
    if (item.kind === 'frontier') {
      const before = at === 0 ? 0 : text.charCodeAt(at - 1)
      const after = at < text.length ? text.charCodeAt(at) : 0
      return item.set[before] === 0 && item.set[after] === 1 ? at : -1
    }
    return this.lines.raise(item.kind === 'wrong' ? item.message : 'malformed pattern')
  }

  private balance(from: number, to: number, start: number): number {
    const { text, budget } = this
    if (text.charCodeAt(start) !== from) return -1
    let depth = 1
    for (let at = start + 1; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === to) {
        if (--depth === 0) {
          budget.charge(at - start)
          return at + 1
        }
      } else if (code === from) depth++
    }
    budget.charge(text.length - start)
    return -1
  }
}
