/** The functions of Lua that scripts may use: globals, `math` and `table`. */
import type { Arguments } from './arguments.ts'
import { type Lines, LuaError } from './errors.ts'
import type { Budget } from './limits.ts'
import { numberText, readInBase } from './numbers.ts'
import { toNumber, toText } from './operators.ts'
import { MOST_VALUES } from './strings.ts'
import { all, type Results, Table, typeName, type Value } from './table.ts'

const identities = new WeakMap<object, number>()
let identified = 0

function identity(value: object): string {
  let id = identities.get(value)
  if (id === undefined) {
    id = ++identified
    identities.set(value, id)
  }
  return `0x${id.toString(16).padStart(8, '0')}`
}

/** A value as `tostring` shows it. */
export function display(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return numberText(value)
  if (value === undefined || typeof value === 'boolean')
    return value === undefined ? 'nil' : String(value)
  return `${typeName(value)}: ${identity(value)}`
}

export const STACK_OVERFLOW = 'stack overflow'

/** JavaScript's own limit; the one of `Budget` is reached first, except in very large functions. */
export const isStackOverflow = (error: unknown): boolean =>
  error instanceof RangeError && error.message.startsWith('Maximum call stack')

/** What `pcall` makes of what was thrown; undefined where no script may catch it. */
function caught(error: unknown): Value[] | undefined {
  if (error instanceof LuaError) {
    const { value } = error
    const text = value instanceof Table ? value.get('err') : undefined
    return [false, typeof text === 'string' ? text : value]
  }
  return isStackOverflow(error) ? [false, STACK_OVERFLOW] : undefined
}

/** The functions that are globals, and `keysOf` for loops. */
export function createGlobals(lines: Lines, budget: Budget, check: Arguments) {
  const itemsOf = (name: string, args: Value[]): Value[] => {
    const table = check.table(name, args, 1)
    const from = check.optionalInteger(name, args, 2, 1)
    const to = check.optionalInteger(name, args, 3, table.length())
    const count = to - from + 1
    if (count <= 0) return []
    if (count + args.length > MOST_VALUES) lines.raise('too many results to unpack')
    budget.charge(count)
    if (from === 1 && count <= table.list.length) return table.list.slice(0, count)
    return Array.from({ length: count }, (_, index) => table.item(from + index))
  }

  /** The keys of a table, each of which takes a step. */
  function keysOf(table: Table): Value[] {
    const keys = table.keys()
    budget.charge(keys.length)
    return keys
  }

  /** Raises the first argument; a string gets the place of the level before it. */
  function raise(args: Value[], outward: number): never {
    const [value] = args
    const level = check.optionalInteger('error', args, 2, 1) - outward
    const text = toText(value)
    if (text !== undefined && level > 0) return lines.raise(text, level)
    throw new LuaError(value, lines.at(1))
  }

  const error = (...args: Value[]): never => raise(args, 0)

  const next = (...args: Value[]): Results => {
    const table = check.table('next', args, 1)
    const keys = keysOf(table)
    const key = args[1]
    const at = key === undefined ? -1 : keys.indexOf(key)
    if (key !== undefined && at < 0) lines.raise("invalid key to 'next'")
    const following = keys[at + 1]
    return following === undefined ? undefined : [following, table.get(following)]
  }

  const nextItem = (table: Value, index: Value): Results => {
    const following = Number(index) + 1
    const value = table instanceof Table ? table.item(following) : undefined
    return value === undefined ? undefined : [following, value]
  }

  return {
    keysOf,
    assert(...args: Value[]): Results {
      const value = check.any('assert', args, 1)
      if (value !== undefined && value !== false) return args.length === 1 ? value : args
      return lines.raise(
        args[1] === undefined ? 'assertion failed!' : check.text('assert', args, 2),
      )
    },
    error,
    ipairs: (...args: Value[]): Results => [nextItem, check.table('ipairs', args, 1), 0],
    next,
    pairs(...args: Value[]): Results {
      const table = check.table('pairs', args, 1)
      const keys = keysOf(table)
      let at = 0
      return [
        () => {
          for (; at < keys.length; ) {
            const key = keys[at++]
            const value = table.get(key)
            if (value !== undefined) return [key, value]
          }
          return undefined
        },
        table,
        undefined,
      ]
    },
    pcall(...args: Value[]): Results {
      const called = check.any('pcall', args, 1)
      const { depth } = budget
      try {
        if (typeof called !== 'function') {
          throw new LuaError(`attempt to call a ${typeName(called)} value`, lines.at(1))
        }
        // Called from here, it has one function of the script less around it.
        if (called === error) return raise(args.slice(1), 1)
        return [true, ...all(called(...args.slice(1)))]
      } catch (error) {
        budget.depth = depth
        const results = caught(error)
        if (results === undefined) throw error
        return results
      }
    },
    rawequal: (...args: Value[]): boolean =>
      check.any('rawequal', args, 1) === check.any('rawequal', args, 2),
    rawget: (...args: Value[]): Value =>
      check.table('rawget', args, 1).get(check.any('rawget', args, 2)),
    select(...args: Value[]): Results {
      if (args[0] === '#') return args.length - 1
      const from = check.integer('select', args, 1)
      const start = from < 0 ? args.length + from : from
      if (start < 1) return lines.badArgument(1, 'select', 'index out of range')
      const rest = args.slice(start)
      return rest.length === 1 ? rest[0] : rest
    },
    tonumber(...args: Value[]): Value {
      const value = check.any('tonumber', args, 1)
      const base = check.optionalInteger('tonumber', args, 2, 10)
      if (base === 10) return toNumber(value)
      const text = check.text('tonumber', args, 1)
      if (base < 2 || base > 36) return lines.badArgument(2, 'tonumber', 'base out of range')
      return readInBase(text, base)
    },
    tostring: (...args: Value[]): string => display(check.any('tostring', args, 1)),
    type: (...args: Value[]): string => typeName(check.any('type', args, 1)),
    unpack(...args: Value[]): Results {
      const items = itemsOf('unpack', args)
      return items.length === 1 ? items[0] : items
    },
  }
}
