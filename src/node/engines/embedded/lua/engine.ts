/** Runs Redis scripts: Lua 5.1, compiled to JavaScript at first use. */
import { CommandError, type Reply } from '../reply.ts'
import { type Compiled, compile } from './compiler.ts'
import { CHUNK, LuaError, StoreFailure } from './errors.ts'
import { display, isStackOverflow, STACK_OVERFLOW } from './library.ts'
import { Stopped } from './limits.ts'
import { toText } from './operators.ts'
import { fromBytes, oneLine, textList, toBytes, toReply } from './replies.ts'
import { createRuntime } from './runtime.ts'
import { SyntaxFault } from './syntax.ts'
import { first, Table, type Value } from './table.ts'

/** A script that is compiled once. */
export interface Script {
  readonly sha: string
  readonly source: string
  /** Belongs to the engine of scripts. */
  compiled: Compiled | undefined
}

export interface LuaEngine {
  /** Compiles the text; throws Redis's error where it does not parse. */
  compile(script: Script): void
  /** Runs a script; the reply is converted as Redis does, an error is thrown. */
  run(script: Script, keys: string[], args: string[]): Reply
}

/** The text of an uncaught error value. */
function messageOf(value: Value): string {
  if (!(value instanceof Table)) return `ERR ${display(value)}`
  return toText(value.get('err')) ?? 'ERR unknown error'
}

/** The reply that an exception of a script is, or the failure of the store itself. */
function asReply(error: unknown, { sha }: Script): unknown {
  if (error instanceof LuaError) {
    const place = error.line === undefined ? '' : ` script: ${sha}, on @${CHUNK}:${error.line}.`
    return new CommandError(oneLine(fromBytes(messageOf(error.value)) + place))
  }
  if (error instanceof StoreFailure) return error.cause
  if (error instanceof Stopped) return new CommandError(`ERR ${error.message} script: ${sha}`)
  if (isStackOverflow(error)) return new CommandError(`ERR ${STACK_OVERFLOW} script: ${sha}`)
  return error
}

/** Binds scripts to the function that executes their commands. */
export function createLua(execute: (words: string[]) => Reply): LuaEngine {
  const runtime = createRuntime(execute)

  function compiledOf(script: Script): Compiled {
    try {
      script.compiled ??= compile(toBytes(script.source), runtime)
      return script.compiled
    } catch (error) {
      if (!(error instanceof SyntaxFault)) throw error
      const cause = oneLine(fromBytes(error.message))
      throw new CommandError(`ERR Error compiling script (new function): ${cause}`)
    }
  }

  return {
    compile(script) {
      compiledOf(script)
    },
    run(script, keys, args) {
      const compiled = compiledOf(script)
      runtime.lines.compiled = compiled.lines
      runtime.budget.begin()
      try {
        return toReply(first(compiled.run(textList(keys), textList(args))))
      } catch (error) {
        throw asReply(error, script)
      }
    },
  }
}
