/** The part of Lua's own C API that the tests call, as WebAssembly exports it. */
import { LuaApi } from 'wasmoon-lua5.1'

/** A pointer to a Lua state. */
export type LuaState = number

type Callback = (...args: number[]) => number | undefined

export interface LuaModule {
  HEAPU8: Uint8Array
  HEAPU32: Uint32Array
  addFunction(callback: Callback, signature: string): number
  _malloc(size: number): number
  _free(pointer: number): void
  _luaL_newstate(): LuaState
  _luaL_openlibs(state: LuaState): void
  _luaL_loadbuffer(state: LuaState, text: number, length: number, name: number): number
  _luaL_ref(state: LuaState, table: number): number
  _lua_checkstack(state: LuaState, slots: number): number
  _lua_createtable(state: LuaState, items: number, fields: number): void
  _lua_error(state: LuaState): number
  _lua_gettop(state: LuaState): number
  _lua_pcall(state: LuaState, args: number, results: number, handler: number): number
  _lua_pushboolean(state: LuaState, value: number): void
  _lua_pushcclosure(state: LuaState, callback: number, upvalues: number): void
  _lua_pushlstring(state: LuaState, text: number, length: number): void
  _lua_pushnumber(state: LuaState, value: number): void
  _lua_rawget(state: LuaState, index: number): void
  _lua_rawgeti(state: LuaState, index: number, item: number): void
  _lua_rawseti(state: LuaState, index: number, item: number): void
  _lua_rawset(state: LuaState, index: number): void
  _lua_replace(state: LuaState, index: number): void
  _lua_settop(state: LuaState, index: number): void
  _lua_toboolean(state: LuaState, index: number): number
  _lua_tolstring(state: LuaState, index: number, length: number): number
  _lua_tonumber(state: LuaState, index: number): number
  _lua_type(state: LuaState, index: number): number
}

export const REGISTRY = -10000
export const GLOBALS = -10002

export const BOOLEAN = 1
export const NUMBER = 3
export const STRING = 4
export const TABLE = 5

/** Loads the WebAssembly module; each call yields a memory of its own. */
export async function loadLuaModule(): Promise<LuaModule> {
  const { module } = await LuaApi.initialize()
  return module
}
