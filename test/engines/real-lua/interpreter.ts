/** Runs Redis scripts in real Lua 5.1, compiled to WebAssembly: what compiled scripts are compared with. */
import { hash } from 'node:crypto'
import type { LuaEngine, Script } from '../../../src/node/engines/embedded/lua/engine.ts'
import { CommandError, type Reply } from '../../../src/node/engines/embedded/reply.ts'
import { GLOBALS, type LuaModule, type LuaState, loadLuaModule, REGISTRY } from './api.ts'
import { CHUNK_NAME, PRELUDE } from './prelude.ts'
import { createLuaValues, type LuaValues } from './values.ts'

interface Machine {
  state: LuaState
  handler: number
  globals: number
}

const BAD_WORDS = 'ERR Lua redis lib command arguments must be strings or integers'
const NO_WORDS = 'ERR Please specify at least one argument for this redis lib call'

/** Loads the interpreter; the function that it gives binds it to what executes commands. */
export async function loadRealLua(): Promise<(execute: (words: string[]) => Reply) => LuaEngine> {
  const module = await loadLuaModule()
  return (execute) => createRealLua(module, execute)
}

function createRealLua(lua: LuaModule, execute: (words: string[]) => Reply): LuaEngine {
  const values = createLuaValues(lua)
  const references = new WeakMap<Script, number>()
  // A failure of the store itself: the script must end, and its transaction is rolled back.
  let fault: { error: unknown } | undefined
  let machine: Machine | undefined

  function answer(state: LuaState): string | undefined {
    const words = values.readWords(state)
    if (words === undefined) return BAD_WORDS
    if (words.length === 0) return NO_WORDS
    if (fault !== undefined) return 'ERR the store failed'
    let reply: Reply
    try {
      reply = execute(words)
    } catch (error) {
      if (error instanceof CommandError) return error.message
      fault = { error }
      return 'ERR the store failed'
    }
    lua._lua_settop(state, 0)
    values.pushReply(state, reply)
    return undefined
  }

  // Lua unwinds by throwing through these frames, so nothing here may catch around a push.
  const invoke = (state: LuaState, raise: boolean): number => {
    const error = answer(state)
    if (error === undefined) return 1
    lua._lua_settop(state, 0)
    values.pushError(state, error)
    return raise ? lua._lua_error(state) : 1
  }

  const bindings = [
    lua.addFunction((state = 0) => invoke(state, true), 'ii'),
    lua.addFunction((state = 0) => invoke(state, false), 'ii'),
    lua.addFunction((state = 0) => {
      const text = values.readWords(state)?.[0]
      if (text !== undefined) values.pushText(state, hash('sha1', text))
      else values.pushError(state, 'ERR wrong number of arguments')
      return text === undefined ? lua._lua_error(state) : 1
    }, 'ii'),
  ]

  function load(state: LuaState, text: string, chunk: string): string | undefined {
    const size = Buffer.byteLength(text)
    const pointer = lua._malloc(size + chunk.length + 1)
    const memory = Buffer.from(lua.HEAPU8.buffer)
    memory.write(text, pointer, 'utf8')
    memory.write(`${chunk}\0`, pointer + size, 'latin1')
    const failed = lua._luaL_loadbuffer(state, pointer, size, pointer + size) !== 0
    lua._free(pointer)
    return failed ? (values.readText(state) ?? 'unreadable error') : undefined
  }

  function boot(): Machine {
    const state = lua._luaL_newstate()
    lua._luaL_openlibs(state)
    const error = load(state, PRELUDE, '@prelude')
    for (const binding of bindings) lua._lua_pushcclosure(state, binding, 0)
    if (error !== undefined || lua._lua_pcall(state, bindings.length, 3, 0) !== 0) {
      throw new Error(`The script engine cannot start: ${error ?? values.readText(state)}`)
    }
    const handler = lua._luaL_ref(state, REGISTRY)
    const globals = lua._luaL_ref(state, REGISTRY)
    // Every chunk loaded from now on has the read-only environment as its globals.
    lua._lua_replace(state, GLOBALS)
    return { state, handler, globals }
  }

  function referenceTo(script: Script, { state }: Machine): number {
    const known = references.get(script)
    if (known !== undefined) return known
    const error = load(state, script.source, CHUNK_NAME)
    if (error !== undefined) {
      lua._lua_settop(state, 0)
      throw new CommandError(`ERR Error compiling script (new function): ${error}`)
    }
    const reference = lua._luaL_ref(state, REGISTRY)
    references.set(script, reference)
    return reference
  }

  function prepare(script: Script, machine: Machine, keys: string[], args: string[]): void {
    const { state } = machine
    const reference = referenceTo(script, machine)
    lua._lua_rawgeti(state, REGISTRY, machine.globals)
    setList(values, state, 'KEYS', keys)
    setList(values, state, 'ARGV', args)
    lua._lua_settop(state, 0)
    lua._lua_rawgeti(state, REGISTRY, machine.handler)
    lua._lua_rawgeti(state, REGISTRY, reference)
  }

  function setList(to: LuaValues, state: LuaState, name: string, list: string[]): void {
    to.pushText(state, name)
    to.pushList(state, list)
    lua._lua_rawset(state, -3)
  }

  function scriptError(script: Script, state: LuaState): CommandError {
    const message = values.readField(state, 'err') ?? 'ERR unknown error'
    const source = values.readField(state, 'source')
    const line = values.readField(state, 'line')
    const place = source && line ? ` script: ${script.sha}, on ${source}:${line}.` : ''
    return new CommandError((message + place).replace(/[\r\n]/g, ' '))
  }

  function outcome(script: Script, state: LuaState, failed: boolean): Reply {
    if (fault !== undefined) throw fault.error
    if (!failed) return values.readResult(state)
    const text = values.readText(state)
    throw text === undefined
      ? scriptError(script, state)
      : new CommandError(`ERR ${text} script: ${script.sha}`)
  }

  return {
    compile(script) {
      machine ??= boot()
      referenceTo(script, machine)
    },
    run(script, keys, args) {
      machine ??= boot()
      const { state } = machine
      fault = undefined
      try {
        prepare(script, machine, keys, args)
        const failed = lua._lua_pcall(state, 0, 1, 1) !== 0
        return outcome(script, state, failed)
      } finally {
        lua._lua_settop(state, 0)
      }
    },
  }
}
