/** Lua scripts that are called by name: one declaration serves the Lua text, the call and the reply. */
import { createHash } from 'node:crypto'
import type { Redis } from '@upstash/redis'
import type { Keyspace } from './keyspace.ts'
import { IncompatibleStore, readSchema, schemaVersion } from './schema.ts'
import { decodeReply, encodeArgs, encodeKeys } from './script-codec.ts'
import type {
  ArgsOf,
  Declaration,
  Fields,
  KeyRows,
  KeysOf,
  LuaScript,
  Replies,
  ReplyOf,
  Script,
} from './script-declaration.ts'
import { prologue } from './script-prologue.ts'

/** The first line by which a script tells Upstash that it names all of its keys. */
export const allowKeyLocking = '#!lua flags=allow-key-locking\n'

const asScript = (lua: string): LuaScript => ({
  lua,
  sha: createHash('sha1').update(lua).digest('hex'),
})

/** The key-locking form of every script, by the digest of its plain form; filled while modules load. */
const keyLockingForms = new Map<string, LuaScript>()

/**
 * Makes a script of a declaration. In its Lua text `keys.<name>` and `args.<name>` hold what the
 * caller gave, and `reply.<kind>{ … }` builds an answer. `int(number)` is exact integer text. Before
 * anything else the script checks the format of the store.
 */
export function defineScript<
  const Keys extends readonly string[],
  const Args extends Fields,
  const Answers extends Replies,
  const KeyRow extends KeyRows = Record<never, never>,
  const ArgRow extends Readonly<Record<string, Fields>> = Record<never, never>,
>(
  declaration: Declaration<Keys, Args, Answers, KeyRow, ArgRow>,
): Script<Keys, Args, Answers, KeyRow, ArgRow> {
  const { libraries = [], lua, keyRows = {}, argRows = {} } = declaration
  if (Object.keys(keyRows).length > 1 || Object.keys(argRows).length > 1) {
    throw new Error('A script takes at most one list of keys and one of arguments')
  }
  const script = asScript([prologue(declaration, schemaVersion), ...libraries, lua].join('\n'))
  keyLockingForms.set(script.sha, asScript(allowKeyLocking + script.lua))
  return { ...declaration, ...script }
}

/** The key-locking form of a defined script, found by its digest; undefined for any other script. */
export const findKeyLocking = (sha: string): LuaScript | undefined =>
  keyLockingForms.get(sha.toLowerCase())

/** The same, found by the text of the script. */
export const findKeyLockingByText = (lua: string): LuaScript | undefined =>
  findKeyLocking(asScript(lua).sha)

/**
 * Executes `script` atomically, in one round trip when the store knows its text.
 * @returns the answer, with its fields checked and converted.
 * @throws IncompatibleStore when the store has another format than this gateway, and what the engine
 * throws, NOSCRIPT excepted.
 */
export async function callScript<
  Keys extends readonly string[],
  Args extends Fields,
  Answers extends Replies,
  KeyRow extends KeyRows,
  ArgRow extends Readonly<Record<string, Fields>>,
>(
  redis: Redis,
  keyspace: Keyspace,
  script: Script<Keys, Args, Answers, KeyRow, ArgRow>,
  input: { keys: KeysOf<Keys, KeyRow>; args: ArgsOf<Args, ArgRow> },
): Promise<ReplyOf<Answers>> {
  const keys = [keyspace.pool, ...encodeKeys(script, input.keys)]
  const args = encodeArgs(script, input.args)
  const raw = await evaluate(redis, script, keys, args)
  if (Array.isArray(raw) && raw[0] === 'incompatible')
    throw new IncompatibleStore(readSchema(String(raw[1])))
  return decodeReply(script, raw)
}

async function evaluate(redis: Redis, script: LuaScript, keys: string[], args: string[]) {
  try {
    return await redis.evalsha<string[], unknown>(script.sha, keys, args)
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('NOSCRIPT'))) throw error
    return redis.eval<string[], unknown>(script.lua, keys, args)
  }
}
