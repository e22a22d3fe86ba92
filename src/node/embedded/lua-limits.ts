/** What stops a script that never ends or never stops allocating. */
import { COLLECT, type LuaModule, type LuaState, MASK_COUNT } from './lua-api.ts'

const CHECK_EVERY = 100_000
/** Lua instructions that one script may execute: a fraction of a second. */
export const INSTRUCTION_LIMIT = 20_000_000
const INSTRUCTIONS_PER_CALL = 200
/** Bytes that the Lua state may hold, garbage included. */
export const MEMORY_LIMIT = 64 * 1024 * 1024

/** The text with which a script ends that catches its own errors or never ends. */
export const STOPPED = 'script stopped: it exceeded its instructions or its memory'

export interface LuaLimits {
  /** The allocator to create a state with. */
  allocator: number
  /** Forgets what an abandoned state held. */
  reset(): void
  /** Arms the count of instructions; once per state. */
  arm(state: LuaState): void
  /** Starts the budget of one script. */
  begin(state: LuaState): void
  /** Ends enforcement, because an allocation outside of a script cannot be refused safely. */
  end(state: LuaState): void
  /** Charges one call into the engine; false once the budget is spent. */
  charge(): boolean
}

/** Counts instructions, not time: a slow machine must not cut a script short that has written. */
export function createLuaLimits(
  lua: LuaModule,
  raise: (state: LuaState, message: string) => number,
): LuaLimits {
  let held = 0
  let spent = 0
  let running: LuaState = 0
  let strict = false

  /** From here on every instruction fails, so that no pcall of the script can carry on. */
  function stop(state: LuaState): void {
    strict = true
    lua._lua_sethook(state, hook, MASK_COUNT, 1)
  }

  const allocate = (_data = 0, pointer = 0, oldSize = 0, newSize = 0): number => {
    if (newSize === 0) {
      held -= oldSize
      lua._free(pointer)
      return 0
    }
    const next = held + newSize - oldSize
    if (running !== 0 && newSize > oldSize && next > MEMORY_LIMIT) {
      stop(running)
      return 0
    }
    const moved = lua._realloc(pointer, newSize)
    if (moved !== 0) held = next
    return moved
  }

  const onCount = (state = 0): undefined => {
    if (running === 0) return
    spent += CHECK_EVERY
    if (!strict && spent < INSTRUCTION_LIMIT) return
    stop(state)
    raise(state, STOPPED)
  }

  const allocator = lua.addFunction(allocate, 'iiiii')
  const hook = lua.addFunction(onCount, 'vii')

  const arm = (state: LuaState) => {
    strict = false
    lua._lua_sethook(state, hook, MASK_COUNT, CHECK_EVERY)
  }

  return {
    allocator,
    reset() {
      held = 0
    },
    arm,
    begin(state) {
      spent = 0
      if (strict) arm(state)
      running = state
    },
    end(state) {
      running = 0
      // Lua does not collect when an allocation fails, and the next script deserves its own share.
      if (held > MEMORY_LIMIT / 2) lua._lua_gc(state, COLLECT, 0)
    },
    charge() {
      spent += INSTRUCTIONS_PER_CALL
      return !strict && spent < INSTRUCTION_LIMIT
    },
  }
}
