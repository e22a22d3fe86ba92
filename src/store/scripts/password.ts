/** Replaces an administrator's password hash, unless somebody else has done so meanwhile. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { time } from '../lua/shared.ts'
import { defineScript, runScript } from '../script.ts'
import { audit } from './audit.ts'

const replace = defineScript(
  time,
  audit,
  `
local admin, trail = KEYS[1], KEYS[2]
local expected, hash, updatedAt, entry = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('HGET', admin, 'passwordHash') ~= expected then return 'conflict' end
redis.call('HSET', admin, 'passwordHash', hash, 'updatedAt', updatedAt)
local validAfterMs = tonumber(redis.call('HGET', admin, 'tokensValidAfterMs') or '0')
if entry == '' then return int(validAfterMs) end
validAfterMs = int(math.max(nowMs, validAfterMs + 1))
redis.call('HSET', admin, 'tokensValidAfterMs', validAfterMs)
audit(trail, entry)
return validAfterMs
`,
)

export interface PasswordReplacement {
  username: string
  /** The hash that is replaced. */
  expectedHash: string
  hash: string
  /** RFC 3339. */
  updatedAt: string
  /** Audit entry of a new password; undefined when the same one was only hashed anew. */
  entry: string | undefined
}

/**
 * Replaces the hash. A new password ends every session: `tokensValidAfterMs` grows, always.
 * @returns the `tokensValidAfterMs` that holds now, or `conflict` when the hash is another one.
 */
export async function replacePasswordScript(
  redis: Redis,
  keyspace: Keyspace,
  replacement: PasswordReplacement,
): Promise<number | 'conflict'> {
  const { username, expectedHash, hash, updatedAt, entry = '' } = replacement
  const keys = [keyspace.admin(username), keyspace.audit]
  const reply = await runScript(redis, replace, keys, [expectedHash, hash, updatedAt, entry])
  return reply === 'conflict' ? reply : Number(reply)
}
