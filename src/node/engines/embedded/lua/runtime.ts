/** What compiled scripts run on: the operators of Lua, its libraries and the store. */
import type { Reply } from '../reply.ts'
import { createArguments } from './arguments.ts'
import { Lines } from './errors.ts'
import { createGlobals, STACK_OVERFLOW } from './library.ts'
import { Budget, DEEPEST_CALL, steps } from './limits.ts'
import { createMath } from './math.ts'
import { createOperators, toNumber } from './operators.ts'
import { createRedisLibrary } from './redis.ts'
import { createStrings } from './strings.ts'
import { all, first, Library, type LuaFunction, type Results, type Value } from './table.ts'
import { createTables } from './tables.ts'

const none: Value[] = []

function prefixed(prefix: string, members: Readonly<Record<string, Value>>) {
  return Object.fromEntries(
    Object.entries(members).map(([name, member]) => [`${prefix}_${name}`, member]),
  )
}

/** Binds a runtime to the function that executes the commands of scripts. */
export function createRuntime(execute: (words: string[]) => Reply) {
  const budget = new Budget()
  const lines = new Lines(budget)
  const check = createArguments(lines)
  const strings = createStrings(lines, budget, check)
  const math = createMath(check)
  const redis = createRedisLibrary(lines, budget, execute)
  const lib_string = new Library(strings)
  const operators = createOperators(lines, budget, lib_string)
  const tables = createTables(lines, budget, check, operators.less)

  return {
    lines,
    budget,
    ...operators,
    ...createGlobals(lines, budget, check),
    ...prefixed('string', strings),
    ...prefixed('math', math),
    ...prefixed('table', tables),
    ...prefixed('redis', redis),
    lib_string,
    lib_math: new Library(math),
    lib_table: new Library(tables),
    lib_redis: new Library(redis),
    tableArgument: check.table,
    toNumber,
    first,
    all,
    none,
    /** All results, to be put among the values of a list. */
    spread(results: Results): Value[] {
      const values = all(results)
      budget.left -= values.length
      return values
    },
    /** Counts a function that is made. */
    made(value: LuaFunction): LuaFunction {
      budget.left -= steps.function
      return value
    },
    /** Counts the depth of calls of functions that may come back to themselves. */
    enter(): void {
      if (++budget.depth <= DEEPEST_CALL) return
      budget.depth--
      lines.raise(STACK_OVERFLOW)
    },
  }
}
export type Runtime = ReturnType<typeof createRuntime>
