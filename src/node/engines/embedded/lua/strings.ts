/** The library `string`. */
import type { Arguments } from './arguments.ts'
import type { Lines } from './errors.ts'
import { format } from './format.ts'
import type { Budget } from './limits.ts'
import { Matcher } from './matcher.ts'
import { toText } from './operators.ts'
import { readPattern } from './patterns.ts'
import { first, type LuaFunction, type Results, Table, typeName, type Value } from './table.ts'

const SPECIAL = /[\^$*+?.([%-]/
/** Values that one call may take or give; the size of Lua's own stack. */
export const MOST_VALUES = 8_000

/** Whether the text up to its first zero byte has a character with a meaning. */
const isPlain = (pattern: string) => !SPECIAL.test(pattern.split('\0', 1)[0] ?? '')

/** A position in a string, counted from its end where it is negative. */
const positionIn = (text: string, position: number) =>
  position >= 0 ? position : Math.max(0, text.length + position + 1)

export function createStrings(lines: Lines, budget: Budget, check: Arguments) {
  const asResults = (values: Value[]): Results => (values.length === 1 ? values[0] : values)

  function search(name: 'find' | 'match', args: Value[]): Results {
    const text = check.text(name, args, 1)
    const source = check.text(name, args, 2)
    const position = positionIn(text, check.optionalInteger(name, args, 3, 1))
    const start = Math.min(Math.max(position - 1, 0), text.length)
    const isTrue = args[3] !== undefined && args[3] !== false
    if (name === 'find' && (isTrue || isPlain(source))) {
      budget.chargeText(text.length)
      const at = text.indexOf(source, start)
      return at < 0 ? undefined : [at + 1, at + source.length]
    }
    const pattern = readPattern(source)
    const matcher = new Matcher(text, pattern, lines, budget)
    for (let at = start; at <= text.length; at++) {
      const end = matcher.matchAt(at)
      if (end >= 0) {
        if (name === 'match') return asResults(matcher.captures(end))
        return [at + 1, end, ...(pattern.captures > 0 ? matcher.captures(end) : [])]
      }
      if (pattern.isAnchored) break
      budget.charge(1)
    }
    return undefined
  }

  function gmatch(...args: Value[]): LuaFunction {
    const text = check.text('gmatch', args, 1)
    const matcher = new Matcher(
      text,
      readPattern(check.text('gmatch', args, 2), false),
      lines,
      budget,
    )
    let from = 0
    return () => {
      for (let at = from; at <= text.length; at++) {
        const end = matcher.matchAt(at)
        if (end >= 0) {
          from = end === at ? end + 1 : end
          return asResults(matcher.captures(end))
        }
        budget.charge(1)
      }
      from = text.length + 1
      return undefined
    }
  }

  /** A replacement with `%0` as the match, and `%1` to `%9` as its captures. */
  function expand(replacement: string, matcher: Matcher, end: number): string {
    return replacement.replace(/%([\s\S]?)/g, (_, letter: string) => {
      // C reads the zero byte behind the end.
      if (letter === '') return '\0'
      if (letter < '0' || letter > '9') return letter
      if (letter === '0') return matcher.whole(end)
      return toText(matcher.capture(Number(letter) - 1, end)) ?? ''
    })
  }

  function replacementOf(by: Value, matcher: Matcher, end: number): Value {
    if (typeof by === 'function') {
      return first(matcher.hasCaptures ? by(...matcher.captures(end)) : by(matcher.whole(end)))
    }
    if (by instanceof Table) return by.get(matcher.capture(0, end))
    const text = toText(by) ?? ''
    return text.includes('%') ? expand(text, matcher, end) : text
  }

  function gsub(...args: Value[]): Results {
    const text = check.text('gsub', args, 1)
    const pattern = readPattern(check.text('gsub', args, 2))
    const by = args[2]
    if (toText(by) === undefined && typeof by !== 'function' && !(by instanceof Table)) {
      lines.badArgument(3, 'gsub', 'string/function/table expected')
    }
    const most = check.optionalInteger('gsub', args, 4, text.length + 1)
    const matcher = new Matcher(text, pattern, lines, budget)
    let result = ''
    let count = 0
    let kept = 0
    for (let at = 0; count < most; ) {
      const end = matcher.matchAt(at)
      if (end >= 0) {
        count++
        const value = replacementOf(by, matcher, end)
        if (value !== undefined && value !== false) {
          const part = toText(value)
          if (part === undefined) {
            return lines.raise(`invalid replacement value (a ${typeName(value)})`)
          }
          budget.chargeText(part.length)
          result += text.slice(kept, at) + part
          kept = end
        }
      }
      if (end > at) at = end
      else if (at < text.length) at++
      else break
      budget.charge(1)
      if (pattern.isAnchored) break
    }
    result = kept === 0 && result === '' ? text : result + text.slice(kept)
    budget.chargeText(result.length)
    return [result, count]
  }

  return {
    find: (...args: Value[]) => search('find', args),
    match: (...args: Value[]) => search('match', args),
    gmatch,
    gsub,
    format(...args: Value[]): string {
      const text = format(lines, args)
      budget.chargeText(text.length)
      return text
    },
    sub(...args: Value[]): string {
      const text = check.text('sub', args, 1)
      const from = positionIn(text, check.integer('sub', args, 2))
      const to = positionIn(text, check.optionalInteger('sub', args, 3, -1))
      return text.slice(Math.max(from - 1, 0), Math.max(to, 0))
    },
    rep(...args: Value[]): string {
      const text = check.text('rep', args, 1)
      const count = Math.max(0, check.integer('rep', args, 2))
      budget.chargeText(text.length * count)
      return text.length === 0 ? '' : text.repeat(count)
    },
    byte(...args: Value[]): Results {
      const text = check.text('byte', args, 1)
      const from = positionIn(text, check.optionalInteger('byte', args, 2, 1))
      const to = positionIn(text, check.optionalInteger('byte', args, 3, from))
      const part = text.slice(Math.max(from - 1, 0), Math.max(to, 0))
      if (part.length > MOST_VALUES) lines.raise('string slice too long')
      budget.charge(part.length)
      return asResults(Array.from(part, (letter) => letter.charCodeAt(0)))
    },
    char(...args: Value[]): string {
      const codes = args.map((_, index) => {
        const code = check.integer('char', args, index + 1)
        if (code < 0 || code > 255) lines.badArgument(index + 1, 'char', 'invalid value')
        return code
      })
      return String.fromCharCode(...codes)
    },
    len: (...args: Value[]): number => check.text('len', args, 1).length,
    lower(...args: Value[]): string {
      const text = check.text('lower', args, 1)
      budget.chargeText(text.length)
      return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
    },
    upper(...args: Value[]): string {
      const text = check.text('upper', args, 1)
      budget.chargeText(text.length)
      return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())
    },
    reverse(...args: Value[]): string {
      const text = check.text('reverse', args, 1)
      budget.chargeText(text.length)
      return Array.from(text).reverse().join('')
    },
  }
}
