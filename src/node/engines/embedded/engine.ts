/** The embedded engine: the data model of Redis over one durable SQLite file, in this process. */
import type { Engine } from '../../../store/redis.ts'
import { decodeRequest, type Entry, encodeAnswer } from '../request.ts'
import { createCache } from './cache.ts'
import type { Command } from './commands/command.ts'
import { createScriptCommands } from './commands/scripts.ts'
import { callFromScript, createLookup, dataCommands, resolve } from './commands/table.ts'
import { openDatabase } from './database.ts'
import { createDisk } from './disk.ts'
import { createKeyspace } from './keyspace.ts'
import { createLua } from './lua/engine.ts'
import { CommandError, type Reply, toResult } from './reply.ts'
import { createTurns } from './turns.ts'

export interface EmbeddedOptions {
  /** The SQLite file, or ':memory:'. */
  path: string
  /** Milliseconds since the epoch. */
  now?: () => number
  /** 'full': a commit waits for the disk; 'normal': it survives the process, not the machine. */
  synchronous?: 'normal' | 'full'
  /** What runs scripts; tests compare it with real Lua. */
  lua?: typeof createLua
  /** About how much memory the keys may take that were used last. */
  cacheBytes?: number
}

const CACHE_BYTES = 64 * 1024 * 1024

const ABORTED = 'EXECABORT Transaction discarded because of previous errors.'

const toEntry = (reply: Reply): Entry => ({ result: toResult(reply) })

/** Turns an error reply into an entry; a failure of the engine itself stays an exception. */
function toErrorEntry(error: unknown): Entry {
  if (error instanceof CommandError) return { error: error.message }
  throw error
}

/** Opens the file and answers the commands of the typed client from it. */
export function createEmbeddedEngine(options: EmbeddedOptions): Engine {
  const { path, now = Date.now, synchronous = 'normal', lua = createLua } = options
  const { cacheBytes = CACHE_BYTES } = options
  const database = openDatabase({ path, synchronous })
  const cache = createCache(cacheBytes)
  const store = createKeyspace(cache, createDisk(database), () => turns.begin())
  const turns = createTurns(() => database.write(store.save), store.discard)
  const scripts = createScriptCommands(lua((words) => callFromScript(store, words)))
  const lookup = createLookup(dataCommands, scripts)

  /** Runs one command; an error reply does not undo what the command or script wrote before it. */
  function run(command: Command, args: string[]): Entry {
    try {
      return toEntry(command.run(store, args))
    } catch (error) {
      return toErrorEntry(error)
    }
  }

  /** What a fault of the engine would leave half-done is discarded, with all of its turn. */
  function whole<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      turns.fail(error)
      throw error
    }
  }

  function single(args: string[]): Entry {
    let command: Command
    try {
      command = resolve(lookup, args)
    } catch (error) {
      return toErrorEntry(error)
    }
    store.nowMs = Math.floor(now())
    return command.mode === 'write' ? whole(() => run(command, args)) : run(command, args)
  }

  /** Resolves every command before any runs: one that cannot be called discards them all. */
  function multi(commands: string[][]): Entry[] {
    const resolved: (Command | Entry)[] = commands.map((args) => {
      try {
        return resolve(lookup, args)
      } catch (error) {
        return toErrorEntry(error)
      }
    })
    if (resolved.some((command) => 'error' in command)) {
      return resolved.map((command) => ('error' in command ? command : { error: ABORTED }))
    }
    store.nowMs = Math.floor(now())
    return whole(() =>
      resolved.map((command, index) =>
        'run' in command ? run(command, commands[index] ?? []) : command,
      ),
    )
  }

  function perform(batch: ReturnType<typeof decodeRequest>): Entry | Entry[] {
    if (batch.kind === 'single') return single(batch.command)
    return batch.kind === 'multi' ? multi(batch.commands) : batch.commands.map(single)
  }

  return {
    readYourWrites: false,
    async request<T>(request: Parameters<Engine['request']>[0]) {
      const answer = encodeAnswer<{ result?: T }>(perform(decodeRequest(request)))
      store.trim()
      // No write is confirmed, or shown to another reader, while a crash could still undo it.
      await turns.committed()
      return answer
    },
    async close() {
      turns.end()
      store.discard()
      database.close()
    },
  }
}
