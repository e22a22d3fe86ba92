/** The library `table`. */
import type { Arguments } from './arguments.ts'
import type { Lines } from './errors.ts'
import { type Budget, steps } from './limits.ts'
import type { Operators } from './operators.ts'
import { toText } from './operators.ts'
import { first, type Results, typeName, type Value } from './table.ts'

export function createTables(
  lines: Lines,
  budget: Budget,
  check: Arguments,
  less: Operators['less'],
) {
  function order(by: Value) {
    if (by === undefined) return less
    if (typeof by !== 'function') return undefined
    return (a: Value, b: Value): boolean => {
      const result = first(by(a, b))
      return result !== undefined && result !== false
    }
  }

  return {
    concat(...args: Value[]): string {
      const table = check.table('concat', args, 1)
      const separator = args[1] === undefined ? '' : check.text('concat', args, 2)
      const from = check.optionalInteger('concat', args, 3, 1)
      const to = args[3] === undefined ? table.length() : check.integer('concat', args, 4)
      let text = ''
      for (let index = from; index <= to; index++) {
        const value = table.item(index)
        const part = typeof value === 'string' ? value : toText(value)
        if (part === undefined) {
          return lines.raise(
            `invalid value (${typeName(value)}) at index ${index} in table for 'concat'`,
          )
        }
        budget.chargeText(part.length)
        text += index > from ? separator + part : part
      }
      return text
    },
    insert(...args: Value[]): Results {
      const table = check.table('insert', args, 1)
      const end = table.length() + 1
      if (args.length !== 2 && args.length !== 3) {
        return lines.raise("wrong number of arguments to 'insert'")
      }
      const at = args.length === 2 ? end : check.integer('insert', args, 2)
      const last = Math.max(end, at)
      budget.charge(steps.key + last - at)
      for (let index = last; index > at; index--) table.setItem(index, table.item(index - 1))
      table.setItem(at, args[args.length - 1])
      return []
    },
    maxn(...args: Value[]): number {
      const keys = check.table('maxn', args, 1).keys()
      budget.charge(keys.length)
      return keys.reduce<number>(
        (max, key) => (typeof key === 'number' && key > max ? key : max),
        0,
      )
    },
    remove(...args: Value[]): Results {
      const table = check.table('remove', args, 1)
      const end = table.length()
      const at = check.optionalInteger('remove', args, 2, end)
      if (at < 1 || at > end) return []
      budget.charge(end - at)
      const removed = table.item(at)
      for (let index = at; index < end; index++) table.setItem(index, table.item(index + 1))
      table.setItem(end, undefined)
      return removed
    },
    sort(...args: Value[]): Results {
      const table = check.table('sort', args, 1)
      const isBefore = order(args[1]) ?? check.wrong('sort', args, 2, 'function')
      const items = table.list.slice(0, table.length())
      const compare = (a: Value, b: Value): number => {
        budget.charge(1)
        if (isBefore(a, b)) return -1
        return isBefore(b, a) ? 1 : 0
      }
      // An array sorts undefined items without asking; Lua compares them like any other.
      const boxed = items.map((item) => ({ item }))
      boxed.sort((a, b) => compare(a.item, b.item))
      boxed.forEach(({ item }, index) => {
        table.list[index] = item
      })
      return []
    },
  }
}
