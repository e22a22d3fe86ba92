/** Checks of the arguments of library functions, with the error texts of Lua. */
import type { Lines } from './errors.ts'
import { toNumber, toText } from './operators.ts'
import { Library, Table, typeName, type Value } from './table.ts'

/** The arguments of one call, by their positions from 1 on. */
export function createArguments(lines: Lines) {
  function wrong(name: string, args: Value[], position: number, expected: string): never {
    const found = position <= args.length ? typeName(args[position - 1]) : 'no value'
    return lines.badArgument(position, name, `${expected} expected, got ${found}`)
  }

  const text = (name: string, args: Value[], position: number): string => {
    const value = args[position - 1]
    return typeof value === 'string'
      ? value
      : (toText(value) ?? wrong(name, args, position, 'string'))
  }

  const number = (name: string, args: Value[], position: number): number => {
    const value = args[position - 1]
    return typeof value === 'number'
      ? value
      : (toNumber(value) ?? wrong(name, args, position, 'number'))
  }

  /** A number without its fraction, as C converts it. */
  const integer = (name: string, args: Value[], position: number): number => {
    const value = Math.trunc(number(name, args, position))
    return Number.isNaN(value) ? 0 : value + 0
  }

  return {
    wrong,
    text,
    number,
    integer,
    optionalInteger: (name: string, args: Value[], position: number, otherwise: number): number =>
      args[position - 1] === undefined ? otherwise : integer(name, args, position),
    table(name: string, args: Value[], position: number): Table {
      const value = args[position - 1]
      if (value instanceof Table) return value
      // What a script sees of a library of the environment has no items of its own.
      return value instanceof Library ? new Table([]) : wrong(name, args, position, 'table')
    },
    any(name: string, args: Value[], position: number): Value {
      return position <= args.length
        ? args[position - 1]
        : lines.badArgument(position, name, 'value expected')
    },
  }
}
export type Arguments = ReturnType<typeof createArguments>
