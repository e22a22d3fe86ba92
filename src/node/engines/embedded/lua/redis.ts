/** The library `redis`, by which scripts reach the store. */
import { hash } from 'node:crypto'
import { CommandError, type Reply } from '../reply.ts'
import { type Lines, LuaError, StoreFailure } from './errors.ts'
import { type Budget, steps } from './limits.ts'
import { wordText } from './numbers.ts'
import { toText } from './operators.ts'
import { errorTable, fromBytes, statusTable, toBytes, toValue } from './replies.ts'
import type { Results, Table, Value } from './table.ts'

const BAD_WORDS = 'ERR Lua redis lib command arguments must be strings or integers'
const NO_WORDS = 'ERR Please specify at least one argument for this redis lib call'
const BAD_TEXT = 'ERR wrong number or type of arguments'

export function createRedisLibrary(
  lines: Lines,
  budget: Budget,
  execute: (words: string[]) => Reply,
) {
  /** Turns the arguments of a call into words in their own array; undefined where one is none. */
  function toWords(args: Value[]): string[] | undefined {
    for (let index = 0; index < args.length; index++) {
      const value = args[index]
      if (typeof value === 'string') args[index] = fromBytes(value)
      else if (typeof value === 'number') args[index] = wordText(value)
      else return undefined
    }
    return args as string[]
  }

  function perform(words: string[]): Value {
    budget.charge(steps.command)
    let reply: Reply
    try {
      reply = execute(words)
    } catch (error) {
      if (error instanceof CommandError) throw error
      throw new StoreFailure(error)
    }
    return toValue(reply, budget)
  }

  /** The reply, or the text of the error. */
  function answer(args: Value[]): { value: Value } | string {
    const words = toWords(args)
    if (words === undefined) return BAD_WORDS
    if (words.length === 0) return NO_WORDS
    try {
      return { value: perform(words) }
    } catch (error) {
      if (error instanceof CommandError) return toBytes(error.message)
      throw error
    }
  }

  function textReply(args: Value[], build: (text: string) => Table): Table {
    const [text] = args
    return args.length === 1 && typeof text === 'string' ? build(text) : errorTable(BAD_TEXT)
  }

  return {
    call(...args: Value[]): Value {
      const result = answer(args)
      if (typeof result === 'string') throw new LuaError(errorTable(result), lines.at(1))
      return result.value
    },
    pcall(...args: Value[]): Value {
      const result = answer(args)
      return typeof result === 'string' ? errorTable(result) : result.value
    },
    sha1hex(...args: Value[]): string {
      const bytes = args.length === 1 ? toText(args[0]) : undefined
      if (bytes !== undefined) return hash('sha1', Buffer.from(bytes, 'latin1'))
      throw new LuaError(errorTable('ERR wrong number of arguments'), lines.at(1))
    },
    error_reply: (...args: Value[]): Table =>
      textReply(args, (text) => {
        const bare = text.startsWith('-') ? text.slice(1) : text
        return errorTable(bare.includes(' ') ? bare : `ERR ${bare}`)
      }),
    status_reply: (...args: Value[]): Table => textReply(args, statusTable),
    log: (): Results => [],
    LOG_DEBUG: 0,
    LOG_VERBOSE: 1,
    LOG_NOTICE: 2,
    LOG_WARNING: 3,
  }
}
