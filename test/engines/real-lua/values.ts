/** Converts values between Lua and the engine, by the rules of Redis. */

import { formatDouble } from '../../../src/node/engines/embedded/numbers.ts'
import { CommandError, type Reply } from '../../../src/node/engines/embedded/reply.ts'
import { BOOLEAN, type LuaModule, type LuaState, NUMBER, STRING, TABLE } from './api.ts'

export interface LuaValues {
  pushText(state: LuaState, text: string): void
  pushList(state: LuaState, list: string[]): void
  /** Pushes a reply as a script sees it: nil becomes false, a status becomes a table. */
  pushReply(state: LuaState, reply: Reply): void
  /** Pushes the table that stands for an error. */
  pushError(state: LuaState, message: string): void
  /** The words of a call to redis.call, or nothing where one is neither string nor number. */
  readWords(state: LuaState): string[] | undefined
  /** The value of a script at the top of the stack; throws where it is an error. */
  readResult(state: LuaState): Reply
  /** The text at the top of the stack, or nothing where the top is not a string. */
  readText(state: LuaState): string | undefined
  /** A string or number in a field of the table at the top of the stack. */
  readField(state: LuaState, name: string): string | undefined
}

const SCRATCH_BYTES = 64 * 1024
const BYTES_PER_UNIT = 3
const DEEPEST = 1_000
const INT64_LIMIT = 2 ** 63

/** Binds the conversions to one module. */
export function createLuaValues(lua: LuaModule): LuaValues {
  const scratch = lua._malloc(SCRATCH_BYTES)
  const lengthPointer = lua._malloc(4)
  let view = Buffer.from(lua.HEAPU8.buffer)

  /** The memory of the module, which moves when it grows. */
  function memory(): Buffer {
    if (view.buffer !== lua.HEAPU8.buffer) view = Buffer.from(lua.HEAPU8.buffer)
    return view
  }

  function pushText(state: LuaState, text: string): void {
    if (text.length * BYTES_PER_UNIT <= SCRATCH_BYTES) {
      lua._lua_pushlstring(state, scratch, memory().write(text, scratch, 'utf8'))
      return
    }
    const size = Buffer.byteLength(text)
    const pointer = lua._malloc(size)
    if (pointer === 0) throw new Error('The script engine is out of memory')
    memory().write(text, pointer, 'utf8')
    lua._lua_pushlstring(state, pointer, size)
    lua._free(pointer)
  }

  function textAt(state: LuaState, index: number): string {
    const pointer = lua._lua_tolstring(state, index, lengthPointer)
    const length = lua.HEAPU32[lengthPointer >> 2] ?? 0
    return memory().toString('utf8', pointer, pointer + length)
  }

  function pushTagged(state: LuaState, tag: string, text: string): void {
    lua._lua_createtable(state, 0, 1)
    pushText(state, tag)
    pushText(state, text)
    lua._lua_rawset(state, -3)
  }

  function pushReply(state: LuaState, reply: Reply): void {
    if (typeof reply === 'string') pushText(state, reply)
    else if (typeof reply === 'number') lua._lua_pushnumber(state, reply)
    else if (reply === null) lua._lua_pushboolean(state, 0)
    else if (!Array.isArray(reply)) pushTagged(state, 'ok', reply.ok)
    else {
      lua._lua_checkstack(state, 4)
      lua._lua_createtable(state, reply.length, 0)
      let item = 0
      for (const value of reply) {
        pushReply(state, value)
        lua._lua_rawseti(state, -2, ++item)
      }
    }
  }

  function readWords(state: LuaState): string[] | undefined {
    const count = lua._lua_gettop(state)
    const words: string[] = []
    for (let index = 1; index <= count; index++) {
      const type = lua._lua_type(state, index)
      if (type === STRING) words.push(textAt(state, index))
      else if (type === NUMBER) words.push(formatDouble(lua._lua_tonumber(state, index)))
      else return undefined
    }
    return words
  }

  function readField(state: LuaState, name: string): string | undefined {
    pushText(state, name)
    lua._lua_rawget(state, -2)
    const type = lua._lua_type(state, -1)
    const value = type === STRING || type === NUMBER ? textAt(state, -1) : undefined
    lua._lua_settop(state, -2)
    return value
  }

  function readTable(state: LuaState, depth: number): Reply {
    const error = readField(state, 'err')
    if (error !== undefined) {
      if (depth === 0) throw new CommandError(oneLine(error))
      return oneLine(error)
    }
    const status = readField(state, 'ok')
    if (status !== undefined) return { ok: oneLine(status) }
    const items: Reply[] = []
    for (let item = 1; ; item++) {
      lua._lua_rawgeti(state, -1, item)
      const end = lua._lua_type(state, -1) === 0
      if (!end) items.push(readValue(state, depth + 1))
      lua._lua_settop(state, -2)
      if (end) return items
    }
  }

  function readValue(state: LuaState, depth: number): Reply {
    if (depth > DEEPEST || lua._lua_checkstack(state, 8) === 0) {
      throw new CommandError('ERR reached lua stack limit')
    }
    const type = lua._lua_type(state, -1)
    if (type === STRING) return textAt(state, -1)
    if (type === NUMBER) return toInteger(lua._lua_tonumber(state, -1))
    if (type === BOOLEAN) return lua._lua_toboolean(state, -1) === 1 ? 1 : null
    return type === TABLE ? readTable(state, depth) : null
  }

  return {
    pushText,
    pushReply,
    readWords,
    readField,
    pushList(state, list) {
      lua._lua_createtable(state, list.length, 0)
      let item = 0
      for (const text of list) {
        pushText(state, text)
        lua._lua_rawseti(state, -2, ++item)
      }
    },
    pushError: (state, message) => pushTagged(state, 'err', message),
    readResult: (state) => readValue(state, 0),
    readText: (state) => (lua._lua_type(state, -1) === STRING ? textAt(state, -1) : undefined),
  }
}

/** Cuts the fraction off; a number beyond 64 bits becomes the lowest integer, as in C. */
function toInteger(value: number): number {
  if (!(Math.abs(value) < INT64_LIMIT)) return -INT64_LIMIT
  return Math.trunc(value) + 0
}

/** In the protocol, error and status lines end at a line break, so they contain none. */
const oneLine = (text: string) => text.replace(/[\r\n]/g, ' ')
