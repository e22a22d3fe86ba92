/** Runs Lua scripts by their digest, sending the text only when the store does not know it yet. */
import { createHash } from 'node:crypto'
import type { Redis } from '@upstash/redis'

export interface LuaScript {
  lua: string
  sha: string
}

/** Joins Lua fragments into one script; shared functions come first. */
export function defineScript(...fragments: string[]): LuaScript {
  const lua = fragments.join('\n')
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

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
