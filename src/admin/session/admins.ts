/** Administrator records: the first one, who may log in, and their passwords. */

import { ConfigError } from '../../config.ts'
import { hashPassword, isOutdatedHash, verifyPassword } from '../../crypto.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { replacePasswordScript } from '../../store/scripts/password.ts'
import { packAuditEntry } from '../audit/audit.ts'

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

interface Credentials {
  passwordHash: string
  tokensValidAfterMs: number
}

/**
 * Checks a login, in the same time whether or not the name exists. Seeds the first administrator
 * from ADMIN_PASSWORD, because not every host has a start-up that could.
 * @returns `tokensValidAfterMs`, for the token.
 * @throws GatewayError `invalid_credentials`
 */
export async function checkLogin(
  gateway: Gateway,
  username: string,
  password: string,
): Promise<number> {
  const { config } = gateway.runtime
  let stored = await readCredentials(gateway, username)
  if (!stored && username === config.ADMIN_USERNAME && config.ADMIN_PASSWORD !== undefined) {
    await ensureAdmin(gateway)
    stored = await readCredentials(gateway, username)
  }
  const isRight = await verifyPassword(password, stored?.passwordHash ?? nobodysHash)
  if (!isRight || !stored) {
    throw new GatewayError('invalid_credentials', 'The username or the password is wrong')
  }
  if (isOutdatedHash(stored.passwordHash)) await upgradeHash(gateway, username, password, stored)
  return stored.tokensValidAfterMs
}

/**
 * Gives an administrator another password, which ends all of their sessions.
 * @returns `tokensValidAfterMs`, for the token of a session that goes on.
 * @throws GatewayError `invalid_request` when the current password is wrong or not changed, `conflict`
 */
export async function changePassword(
  gateway: Gateway,
  username: string,
  { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
): Promise<number> {
  const { redis, log } = gateway.runtime
  const stored = await readCredentials(gateway, username)
  const expectedHash = stored?.passwordHash ?? nobodysHash
  if (!(await verifyPassword(currentPassword, expectedHash)) || !stored) {
    throw refusal('currentPassword', 'Is not the current password')
  }
  if (await verifyPassword(newPassword, expectedHash)) {
    throw refusal('newPassword', 'Must differ from the current password')
  }
  const change = { actor: username, action: 'admin.password_changed', targetId: username }
  const reply = await replacePasswordScript(redis, gateway.keyspace, {
    username,
    expectedHash,
    hash: await hashPassword(newPassword),
    updatedAt: nowIso(gateway),
    entry: packAuditEntry(gateway, { ...change, before: null, after: null }),
  })
  if (reply === 'conflict') {
    throw new GatewayError('conflict', 'The password was changed meanwhile; log in again')
  }
  log.info('admin_password_changed', { username })
  return reply
}

/** The same password at today's cost. Should another login or a change come first, theirs stays. */
async function upgradeHash(
  gateway: Gateway,
  username: string,
  password: string,
  { passwordHash }: Credentials,
): Promise<void> {
  const { redis, log } = gateway.runtime
  await replacePasswordScript(redis, gateway.keyspace, {
    username,
    expectedHash: passwordHash,
    hash: await hashPassword(password),
    updatedAt: nowIso(gateway),
    entry: undefined,
  })
  log.info('admin_password_rehashed', { username })
}

async function readCredentials(
  { runtime, keyspace }: Gateway,
  username: string,
): Promise<Credentials | undefined> {
  const key = keyspace.admin(username)
  const fields = await runtime.redis.hmget(key, 'passwordHash', 'tokensValidAfterMs')
  const [passwordHash, validAfterMs] = (fields ?? []) as unknown as (string | null)[]
  if (!passwordHash) return undefined
  return { passwordHash, tokensValidAfterMs: Number(validAfterMs ?? 0) }
}

const nowIso = ({ runtime }: Gateway) => new Date(runtime.now()).toISOString()

function refusal(field: string, message: string): GatewayError {
  const issues = [{ field, message }]
  return new GatewayError('invalid_request', `The request is not valid: see ${field}`, { issues })
}
