/** The verb that creates the first administrator. */
import { ConfigError } from '../../config.ts'
import { hashPassword } from '../../crypto.ts'
import type { Actor } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import { requirePermission } from '../permissions.ts'

/**
 * Creates the administrator ADMIN_USERNAME unless there is one; an existing password stays.
 * @param request.password by default ADMIN_PASSWORD.
 * @throws GatewayError `not_permitted`; ConfigError when there is no password to create it with.
 */
export async function ensureAdmin(
  gateway: Gateway,
  { actor, password }: { actor: Actor; password?: string | undefined },
): Promise<'created' | 'exists'> {
  requirePermission(actor, 'admins:write')
  const { redis, config, now, observe } = gateway.runtime
  const key = gateway.keyspace.admin(config.ADMIN_USERNAME)
  if (await redis.hexists(key, 'passwordHash')) return 'exists'
  const first = password ?? config.ADMIN_PASSWORD
  if (first === undefined) {
    throw new ConfigError('ADMIN_PASSWORD: is required, as the store has no administrator yet')
  }
  const nowIso = new Date(now()).toISOString()
  // Of several at once only one sets the hash; it does not matter whose dates are stored.
  const [isFirst] = await redis
    .pipeline()
    .hsetnx(key, 'passwordHash', await hashPassword(first))
    .hsetnx(key, 'createdAt', nowIso)
    .hsetnx(key, 'updatedAt', nowIso)
    // Tokens of an administrator of this name whom another store had are older.
    .hsetnx(key, 'tokensValidAfterMs', now())
    .exec()
  if (!isFirst) return 'exists'
  observe({ type: 'admin_created', username: config.ADMIN_USERNAME })
  return 'created'
}
