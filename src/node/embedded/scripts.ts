/** EVAL, EVALSHA and SCRIPT: the cache of scripts in front of the interpreter. */
import { hash } from 'node:crypto'
import { at, type CommandTable, plain, write } from './commands/command.ts'
import type { LuaEngine, Script } from './lua.ts'
import { integerArgument } from './numbers.ts'
import { CommandError, OK, type Reply, wrongArity } from './reply.ts'

const CACHE_LIMIT = 1_000

const noScript = () => new CommandError('NOSCRIPT No matching script. Please use EVAL.')

/** Builds the scripting commands over an interpreter that may still be loading. */
export function createScriptCommands(lua: () => LuaEngine): CommandTable {
  const bySha = new Map<string, Script>()
  const bySource = new Map<string, Script>()

  function flush(): void {
    bySha.clear()
    bySource.clear()
  }

  function load(source: string): Script {
    const known = bySource.get(source)
    if (known !== undefined) return known
    const script: Script = { sha: hash('sha1', source), source, compiled: undefined }
    lua().compile(script)
    // Clients send a script again when it is missing, so the cache may simply start over.
    if (bySha.size >= CACHE_LIMIT) flush()
    bySha.set(script.sha, script)
    bySource.set(source, script)
    return script
  }

  function run(find: () => Script, args: string[]): Reply {
    const count = integerArgument(at(args, 2))
    if (count > args.length - 3) {
      throw new CommandError("ERR Number of keys can't be greater than number of args")
    }
    if (count < 0) throw new CommandError("ERR Number of keys can't be negative")
    return lua().run(find(), args.slice(3, 3 + count), args.slice(3 + count))
  }

  const subcommands: Record<string, (args: string[]) => Reply> = {
    load(args) {
      if (args.length !== 3) throw wrongArity('script|load')
      return load(at(args, 2)).sha
    },
    exists(args) {
      if (args.length < 3) throw wrongArity('script|exists')
      return args.slice(2).map((sha) => (bySha.has(sha.toLowerCase()) ? 1 : 0))
    },
    flush(args) {
      const option = args[2]?.toUpperCase()
      if (args.length > 3 || (option !== undefined && option !== 'SYNC' && option !== 'ASYNC')) {
        throw new CommandError('ERR SCRIPT FLUSH only support SYNC|ASYNC option')
      }
      flush()
      return OK
    },
  }

  return {
    eval: write(-3, (_store, args) => run(() => load(at(args, 1)), args)),

    evalsha: write(-3, (_store, args) =>
      run(() => {
        const sha = at(args, 1)
        const script = bySha.get(sha) ?? bySha.get(sha.toLowerCase())
        if (script === undefined) throw noScript()
        return script
      }, args),
    ),

    script: plain(-2, (_store, args) => {
      const name = at(args, 1)
      const run = Object.hasOwn(subcommands, name.toLowerCase())
        ? subcommands[name.toLowerCase()]
        : undefined
      if (run === undefined) {
        throw new CommandError(`ERR unknown subcommand '${name.slice(0, 128)}'. Try SCRIPT HELP.`)
      }
      return run(args)
    }),
  }
}
