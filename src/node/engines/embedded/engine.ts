/** The embedded engine: the data model of Redis over one durable SQLite file, in this process. */
import type { Engine } from '../../../store/redis.ts'
import { decodeRequest, type Entry, encodeAnswer } from '../request.ts'
import type { Command } from './commands/command.ts'
import { createScriptCommands } from './commands/scripts.ts'
import { callFromScript, createLookup, dataCommands, resolve } from './commands/table.ts'
import { openDatabase } from './database.ts'
import { createStore } from './keyspace.ts'
import { createLua } from './lua/engine.ts'
import { CommandError, type Reply, toResult } from './reply.ts'

export interface EmbeddedOptions {
  /** The SQLite file, or ':memory:'. */
  path: string
  /** Milliseconds since the epoch. */
  now?: () => number
  /** 'full': a commit waits for the disk; 'normal': it survives the process, not the machine. */
  synchronous?: 'normal' | 'full'
  /** What runs scripts; tests compare it with real Lua. */
  lua?: typeof createLua
}

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
  const database = openDatabase({ path, synchronous })
  const store = createStore(database)
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

  function single(args: string[]): Entry {
    try {
      const command = resolve(lookup, args)
      store.nowMs = Math.floor(now())
      if (command.mode === 'none') return run(command, args)
      return database.transact(command.mode, () => {
        const entry = run(command, args)
        if (command.mode === 'write') store.sweep()
        return entry
      })
    } catch (error) {
      return toErrorEntry(error)
    }
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
    return database.transact('write', () => {
      const entries = resolved.map((command, index) =>
        'run' in command ? run(command, commands[index] ?? []) : command,
      )
      store.sweep()
      return entries
    })
  }

  function perform(batch: ReturnType<typeof decodeRequest>): Entry | Entry[] {
    if (batch.kind === 'single') return single(batch.command)
    return batch.kind === 'multi' ? multi(batch.commands) : batch.commands.map(single)
  }

  return {
    readYourWrites: false,
    async request<T>(request: Parameters<Engine['request']>[0]) {
      const answer = encodeAnswer<{ result?: T }>(perform(decodeRequest(request)))
      // No write is confirmed, or shown to another reader, while a crash could still undo it.
      await database.committed()
      return answer
    },
    async close() {
      database.close()
    },
  }
}
