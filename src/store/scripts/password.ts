/** Replaces an administrator's password hash, unless another request has done so meanwhile. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { audit } from '../lua/audit.ts'
import { time } from '../lua/time.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'

const replace = defineScript({
  keys: ['admin', 'audit'],
  args: { expectedHash: 'text', hash: 'text', updatedAt: 'text', entry: 'text' },
  replies: { ok: { tokensValidAfterMs: 'number' }, conflict: {} },
  libraries: [time, audit],
  lua: `
if redis.call('HGET', keys.admin, 'passwordHash') ~= args.expectedHash then return reply.conflict({}) end
redis.call('HSET', keys.admin, 'passwordHash', args.hash, 'updatedAt', args.updatedAt)
local validAfterMs = tonumber(redis.call('HGET', keys.admin, 'tokensValidAfterMs') or '0')
if args.entry == '' then return reply.ok({ tokensValidAfterMs = validAfterMs }) end
validAfterMs = math.max(nowMs, validAfterMs + 1)
redis.call('HSET', keys.admin, 'tokensValidAfterMs', int(validAfterMs))
audit(keys, args.entry)
return reply.ok({ tokensValidAfterMs = validAfterMs })
`,
})

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
  const reply = await runScript(redis, keyspace, replace, {
    keys: { admin: keyspace.admin(username), audit: keyspace.audit },
    args: { expectedHash, hash, updatedAt, entry },
  })
  return reply.kind === 'ok' ? reply.tokensValidAfterMs : 'conflict'
}
