/** Errors of scripts, and the lines that they happen on. */
import { type Budget, steps } from './limits.ts'
import type { Value } from './table.ts'

/** The name that Redis gives the chunk of a script, which its error texts repeat. */
export const CHUNK = 'user_script'

/** A Lua error: any value, which `pcall` hands over. */
export class LuaError extends Error {
  readonly value: Value
  /** The line on which it was raised; undefined where no line of the script was running. */
  readonly line: number | undefined
  constructor(value: Value, line: number | undefined) {
    super('A script failed')
    this.value = value
    this.line = line
  }
}

/** A failure of the store under a script: no `pcall` catches it, and it ends the script. */
export class StoreFailure extends Error {
  constructor(cause: unknown) {
    super('The store failed', { cause })
  }
}

const DEEPEST_TRACE = 100

/** Tells which line of the script runs, without a cost to lines that raise nothing. */
export class Lines {
  private readonly budget: Budget
  /** For each line of the compiled text its line in the Lua text. */
  compiled: readonly number[] = []

  constructor(budget: Budget) {
    this.budget = budget
  }

  /**
   * The line of the innermost running function of the script; with level 2 that of the function which
   * has called it. Undefined where that is no function of the script.
   */
  at(level: number): number | undefined {
    this.budget.charge(steps.error)
    const { prepareStackTrace, stackTraceLimit } = Error
    const holder: { stack?: unknown } = {}
    try {
      Error.stackTraceLimit = DEEPEST_TRACE
      Error.prepareStackTrace = (_error, sites) => sites
      Error.captureStackTrace(holder)
      const sites = holder.stack as NodeJS.CallSite[]
      const innermost = sites.findIndex((site) => site.getFileName() === CHUNK)
      const site = sites[innermost + level - 1]
      return site?.getFileName() === CHUNK ? this.compiled[site.getLineNumber() ?? -1] : undefined
    } finally {
      Error.prepareStackTrace = prepareStackTrace
      Error.stackTraceLimit = stackTraceLimit
    }
  }

  /** Raises an error of this text, with its place before it. */
  raise(message: string, level = 1): never {
    const line = this.at(level)
    const place = line === undefined ? '' : `${CHUNK}:${line}: `
    throw new LuaError(place + message, level === 1 ? line : this.at(1))
  }

  /** Raises the error of an argument of a function of the library. */
  badArgument(position: number, name: string, message: string): never {
    return this.raise(`bad argument #${position} to '${name}' (${message})`)
  }
}
