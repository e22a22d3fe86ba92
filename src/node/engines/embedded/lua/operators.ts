/** The operators of Lua on values whose types the compiler cannot tell. */
import type { Lines } from './errors.ts'
import { type Budget, steps } from './limits.ts'
import { numberText, readNumber } from './numbers.ts'
import { Library, type LuaFunction, Table, typeName, type Value } from './table.ts'

/** How the text of the script names a value, such as `local 'x'`; undefined where it has no name. */
type Name = string | undefined

/** A string or number as a number; undefined for any other value. */
export const toNumber = (value: Value): number | undefined =>
  typeof value === 'number' ? value : typeof value === 'string' ? readNumber(value) : undefined

/** A string or number as a string; undefined for any other value. */
export const toText = (value: Value): string | undefined =>
  typeof value === 'string' ? value : typeof value === 'number' ? numberText(value) : undefined

const remainder = (a: number, b: number) => a - Math.floor(a / b) * b

/** C's `pow`, which differs from JavaScript's where the base is 1 or -1. */
export function power(a: number, b: number): number {
  if (a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY)) return 1
  return a ** b
}

/** The operators, with the table of the string library that strings are indexed with. */
export function createOperators(lines: Lines, budget: Budget, strings: Library) {
  const described = (value: Value, name: Name) =>
    name === undefined ? `a ${typeName(value)} value` : `${name} (a ${typeName(value)} value)`

  const cannot = (verb: string, value: Value, name: Name): never =>
    lines.raise(`attempt to ${verb} ${described(value, name)}`)

  function slowly(
    operate: (a: number, b: number) => number,
    a: Value,
    b: Value,
    aName: Name,
    bName: Name,
  ): number {
    const left = toNumber(a)
    if (left === undefined) return cannot('perform arithmetic on', a, aName)
    return operate(left, toNumber(b) ?? cannot('perform arithmetic on', b, bName))
  }

  function compareError(a: Value, b: Value): never {
    const [left, right] = [typeName(a), typeName(b)]
    const pair = left === right ? `two ${left} values` : `${left} with ${right}`
    return lines.raise(`attempt to compare ${pair}`)
  }

  function slowTable(value: Value, name: Name): Table {
    if (value instanceof Library) return value.contents
    if (typeof value === 'string') return strings.contents
    return cannot('index', value, name)
  }

  /** The table to read a field from. */
  const tab = (value: Value, name?: Name): Table =>
    value instanceof Table ? value : slowTable(value, name)

  /** The table to write a field to. */
  function own(value: Value, name?: Name): Table {
    if (value instanceof Table) return value
    if (value instanceof Library) return lines.raise('Attempt to modify a readonly table')
    return cannot('index', value, name)
  }

  function setKey(table: Table, key: Value, value: Value): void {
    if (key === undefined) lines.raise('table index is nil')
    if (typeof key === 'number' && Number.isNaN(key)) lines.raise('table index is NaN')
    budget.left -= steps.key
    table.set(key, value)
  }

  function concat(a: Value, b: Value, aName?: Name, bName?: Name): string {
    const left = toText(a)
    const right = toText(b)
    if (left === undefined) return cannot('concatenate', a, aName)
    if (right === undefined) return cannot('concatenate', b, bName)
    budget.chargeText(left.length + right.length)
    return left + right
  }

  return {
    tab,
    own,
    add: (a: Value, b: Value, aName?: Name, bName?: Name): number =>
      typeof a === 'number' && typeof b === 'number'
        ? a + b
        : slowly((a, b) => a + b, a, b, aName, bName),
    sub: (a: Value, b: Value, aName?: Name, bName?: Name): number =>
      typeof a === 'number' && typeof b === 'number'
        ? a - b
        : slowly((a, b) => a - b, a, b, aName, bName),
    mul: (a: Value, b: Value, aName?: Name, bName?: Name): number =>
      typeof a === 'number' && typeof b === 'number'
        ? a * b
        : slowly((a, b) => a * b, a, b, aName, bName),
    div: (a: Value, b: Value, aName?: Name, bName?: Name): number =>
      typeof a === 'number' && typeof b === 'number'
        ? a / b
        : slowly((a, b) => a / b, a, b, aName, bName),
    mod: (a: Value, b: Value, aName?: Name, bName?: Name): number =>
      slowly(remainder, a, b, aName, bName),
    pow: (a: Value, b: Value, aName?: Name, bName?: Name): number =>
      slowly(power, a, b, aName, bName),
    remainder,
    power,
    negate: (value: Value, name?: Name): number =>
      -(toNumber(value) ?? cannot('perform arithmetic on', value, name)),
    concat,
    less(a: Value, b: Value): boolean {
      if (typeof a === 'number' && typeof b === 'number') return a < b
      if (typeof a === 'string' && typeof b === 'string') return a < b
      return compareError(a, b)
    },
    more(a: Value, b: Value): boolean {
      if (typeof a === 'number' && typeof b === 'number') return a > b
      if (typeof a === 'string' && typeof b === 'string') return a > b
      // Lua asks whether the second is less than the first, and names them in that order.
      return compareError(b, a)
    },
    atLeast(a: Value, b: Value): boolean {
      if (typeof a === 'number' && typeof b === 'number') return a >= b
      if (typeof a === 'string' && typeof b === 'string') return a >= b
      return compareError(b, a)
    },
    atMost(a: Value, b: Value): boolean {
      if (typeof a === 'number' && typeof b === 'number') return a <= b
      if (typeof a === 'string' && typeof b === 'string') return a <= b
      return compareError(a, b)
    },
    size(value: Value, name?: Name): number {
      if (value instanceof Table) return value.length()
      if (typeof value === 'string') return value.length
      return value instanceof Library ? 0 : cannot('get length of', value, name)
    },
    setKey,
    setIndex: (table: Value, key: Value, value: Value, name?: Name): void =>
      setKey(own(table, name), key, value),
    /** The function to call; raises, when it is called, where the value is none. */
    callee: (value: Value, name?: Name): LuaFunction =>
      typeof value === 'function' ? value : () => cannot('call', value, name),
    /** The three numbers of a `for` loop. */
    loopNumber: (value: Value, what: string): number =>
      toNumber(value) ?? lines.raise(`'for' ${what} must be a number`),
    makeTable(list: Value[]): Table {
      budget.left -= steps.table + steps.item * list.length
      return new Table(list)
    },
    undefinedGlobal: (name: string): never =>
      lines.raise(`Script attempted to access nonexistent global variable '${name}'`),
    readonly: (): never => lines.raise('Attempt to modify a readonly table'),
  }
}
export type Operators = ReturnType<typeof createOperators>
