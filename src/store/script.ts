/** Lua scripts: defined once, run by their digest, sent as text only when the store lacks them. */
import { createHash } from 'node:crypto'
import type { Redis } from '@upstash/redis'

export interface LuaScript {
  lua: string
  sha: string
}

/** The first line by which a script tells Upstash that it names all of its keys. */
export const allowKeyLocking = '#!lua flags=allow-key-locking\n'

const asScript = (lua: string): LuaScript => ({
  lua,
  sha: createHash('sha1').update(lua).digest('hex'),
})

/** The key-locking form of every script, by the digest of its plain form. */
const keyLockingForms = new Map<string, LuaScript>()

/** Joins Lua fragments into one script, which must name all of its keys; shared functions come first. */
export function defineScript(...fragments: string[]): LuaScript {
  const script = asScript(fragments.join('\n'))
  keyLockingForms.set(script.sha, asScript(allowKeyLocking + script.lua))
  return script
}

/** The key-locking form of a defined script, found by its digest; undefined for any other script. */
export const findKeyLocking = (sha: string): LuaScript | undefined =>
  keyLockingForms.get(sha.toLowerCase())

/** The same, found by the text of the script. */
export const findKeyLockingByText = (lua: string): LuaScript | undefined =>
  findKeyLocking(asScript(lua).sha)

/**
 * Executes `script` atomically and returns its raw reply.
 * @throws what the engine throws, NOSCRIPT excepted.
 */
export async function runScript(
  redis: Redis,
  script: LuaScript,
  keys: string[],
  args: (string | number)[],
): Promise<unknown> {
  const texts = args.map(String)
  try {
    return await redis.evalsha(script.sha, keys, texts)
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('NOSCRIPT'))) throw error
    return redis.eval(script.lua, keys, texts)
  }
}
