/** What stops a script that never ends or never stops allocating. */
import { COLLECT, type LuaModule, type LuaState, MASK_COUNT } from './api.ts'

const CHECK_EVERY = 100_000
/** Lua instructions that one script may execute: a fraction of a second. */
export const INSTRUCTION_LIMIT = 20_000_000
const INSTRUCTIONS_PER_CALL = 200
/** Memory of the Lua state, garbage included. */
export const MEMORY_LIMIT_BYTES = 64 * 1024 * 1024

/** The error of a script that exceeds a limit. */
export const STOPPED = 'script stopped: it exceeded its instructions or its memory'

export interface LuaLimits {
  /** The allocator to create a state with. */
  allocator: number
  /** Starts the count of memory at zero, for a new state. */
  reset(): void
  /** Starts to count instructions; once per state. */
  arm(state: LuaState): void
  /** A script starts: it has the whole limits. */
  begin(state: LuaState): void
  /** A script has ended: outside of scripts an allocation cannot be refused safely. */
  end(state: LuaState): void
  /** Counts one call into the engine; false when the limit is reached. */
  countCall(): boolean
}

/** Counts instructions, not time: a slow machine must not stop a script that has written. */
export function createLuaLimits(
  lua: LuaModule,
  raise: (state: LuaState, message: string) => number,
): LuaLimits {
  let usedBytes = 0
  let instructions = 0
  let running: LuaState = 0
  let isStopped = false

  /** From here on every instruction fails, so that no pcall of the script can continue. */
  function stop(state: LuaState): void {
    isStopped = true
    lua._lua_sethook(state, hook, MASK_COUNT, 1)
  }

  const allocate = (_data = 0, pointer = 0, oldSize = 0, newSize = 0): number => {
    if (newSize === 0) {
      usedBytes -= oldSize
      lua._free(pointer)
      return 0
    }
    const next = usedBytes + newSize - oldSize
    if (running !== 0 && newSize > oldSize && next > MEMORY_LIMIT_BYTES) {
      stop(running)
      return 0
    }
    const moved = lua._realloc(pointer, newSize)
    if (moved !== 0) usedBytes = next
    return moved
  }

  const onCount = (state = 0): undefined => {
    if (running === 0) return
    instructions += CHECK_EVERY
    if (!isStopped && instructions < INSTRUCTION_LIMIT) return
    stop(state)
    raise(state, STOPPED)
  }

  const allocator = lua.addFunction(allocate, 'iiiii')
  const hook = lua.addFunction(onCount, 'vii')

  const arm = (state: LuaState) => {
    isStopped = false
    lua._lua_sethook(state, hook, MASK_COUNT, CHECK_EVERY)
  }

  return {
    allocator,
    reset() {
      usedBytes = 0
    },
    arm,
    begin(state) {
      instructions = 0
      if (isStopped) arm(state)
      running = state
    },
    end(state) {
      running = 0
      // Lua does not collect garbage when an allocation fails; the next script needs the memory.
      if (usedBytes > MEMORY_LIMIT_BYTES / 2) lua._lua_gc(state, COLLECT, 0)
    },
    countCall() {
      instructions += INSTRUCTIONS_PER_CALL
      return !isStopped && instructions < INSTRUCTION_LIMIT
    },
  }
}
