/** EVAL and EVALSHA: the cache of compiled scripts. */
import { hash } from 'node:crypto'
import type { LuaEngine, Script } from '../lua/engine.ts'
import { integerArgument } from '../numbers.ts'
import { CommandError, type Reply } from '../reply.ts'
import { at, type CommandTable, write } from './command.ts'

const CACHE_LIMIT = 1_000

const noScript = () => new CommandError('NOSCRIPT No matching script. Please use EVAL.')

/** Builds the scripting commands over what compiles and runs scripts. */
export function createScriptCommands(lua: LuaEngine): CommandTable {
  const bySha = new Map<string, Script>()
  const bySource = new Map<string, Script>()

  function load(source: string): Script {
    const known = bySource.get(source)
    if (known !== undefined) return known
    const script: Script = { sha: hash('sha1', source), source, compiled: undefined }
    lua.compile(script)
    // Clients send a script again when it is missing, so the cache may be emptied.
    if (bySha.size >= CACHE_LIMIT) {
      bySha.clear()
      bySource.clear()
    }
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
    return lua.run(find(), args.slice(3, 3 + count), args.slice(3 + count))
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
  }
}
