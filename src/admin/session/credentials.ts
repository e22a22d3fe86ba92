/** The password of an administrator: how it is read, checked and hashed anew. */
import { hashPassword, isOutdatedHash, verifyPassword } from '../../crypto.ts'
import type { Gateway } from '../../gateway.ts'
import { replacePasswordScript } from '../../store/scripts/password.ts'
import { Values } from '../replies.ts'

export interface Credentials {
  passwordHash: string
  /** Undefined for an administrator who has not logged in since this field exists. */
  tokensValidAfterMs: number | undefined
}

/** Matches no password, and costs as much to check as a real hash. */
export const dummyHash = `scrypt$16384$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}`

/** Reads the credentials of an administrator; undefined when there is none of this name. */
export async function readCredentials(
  { runtime, keyspace }: Gateway,
  username: string,
): Promise<Credentials | undefined> {
  const key = keyspace.admin(username)
  const reply = await runtime.redis.hmget(key, 'passwordHash', 'tokensValidAfterMs')
  const [passwordHash, validAfterMs] = Values.parse(reply)
  if (!passwordHash) return undefined
  const tokensValidAfterMs = validAfterMs ? Number(validAfterMs) : undefined
  return { passwordHash, tokensValidAfterMs }
}

/**
 * Whether the password is the stored one; takes the same time when there is no administrator. A hash
 * with an outdated cost is then replaced.
 */
export async function checkPassword(
  gateway: Gateway,
  username: string,
  password: string,
  stored: Credentials | undefined,
): Promise<boolean> {
  const isRight = await verifyPassword(password, stored?.passwordHash ?? dummyHash)
  if (!isRight || !stored) return false
  if (isOutdatedHash(stored.passwordHash)) await upgradeHash(gateway, username, password, stored)
  return true
}

/** The same password at today's cost. If it was changed or hashed anew meanwhile, that stays. */
async function upgradeHash(
  gateway: Gateway,
  username: string,
  password: string,
  { passwordHash }: Credentials,
): Promise<void> {
  const { redis, observe, now } = gateway.runtime
  await replacePasswordScript(redis, gateway.keyspace, {
    username,
    expectedHash: passwordHash,
    hash: await hashPassword(password),
    updatedAt: new Date(now()).toISOString(),
    entry: undefined,
  })
  observe({ type: 'admin_password_rehashed', username })
}
