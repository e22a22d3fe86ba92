/** Administrator records: the first one, and who may log in. */
import { ConfigError } from '../config.ts'
import { hashPassword, verifyPassword } from '../crypto.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'

/** Belongs to no password; costs as much to check as a real one. */
const nobodysHash = `scrypt$16384$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}`

/**
 * Creates the administrator ADMIN_USERNAME unless there is one; an existing password stays.
 * @param password by default ADMIN_PASSWORD.
 * @throws ConfigError when there is none to create it with.
 */
export async function ensureAdmin(
  gateway: Gateway,
  password?: string,
): Promise<'created' | 'exists'> {
  const { redis, config, now, log } = gateway.runtime
  const key = gateway.keyspace.admin(config.ADMIN_USERNAME)
  if (await redis.hexists(key, 'passwordHash')) return 'exists'
  const first = password ?? config.ADMIN_PASSWORD
  if (first === undefined) {
    throw new ConfigError('ADMIN_PASSWORD: is required, as the store has no administrator yet')
  }
  const nowIso = new Date(now()).toISOString()
  // Whoever sets the hash has created it; should two try at once, either's dates are right.
  const [isFirst] = await redis
    .pipeline()
    .hsetnx(key, 'passwordHash', await hashPassword(first))
    .hsetnx(key, 'createdAt', nowIso)
    .hsetnx(key, 'updatedAt', nowIso)
    .exec()
  if (!isFirst) return 'exists'
  log.info('admin_created', { username: config.ADMIN_USERNAME })
  return 'created'
}

/**
 * Checks a login, in the same time whether or not the name exists. Seeds the first administrator
 * from ADMIN_PASSWORD, because not every host has a start-up that could.
 * @throws GatewayError `invalid_credentials`
 */
export async function checkLogin(
  gateway: Gateway,
  username: string,
  password: string,
): Promise<void> {
  const { redis, config } = gateway.runtime
  const key = gateway.keyspace.admin(username)
  let hash = await redis.hget<string>(key, 'passwordHash')
  if (!hash && username === config.ADMIN_USERNAME && config.ADMIN_PASSWORD !== undefined) {
    await ensureAdmin(gateway)
    hash = await redis.hget<string>(key, 'passwordHash')
  }
  if (await verifyPassword(password, hash ?? nobodysHash)) return
  throw new GatewayError('invalid_credentials', 'The username or the password is wrong')
}
