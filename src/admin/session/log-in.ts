/** The verb that begins a session; the only one without a permission, as its caller is not known yet. */
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { checkPassword, readCredentials } from './credentials.ts'
import { ensureAdmin } from './ensure-admin.ts'
import { throttled } from './throttle.ts'
import { newSession, type SessionToken } from './token.ts'

/**
 * Checks a password, in the same time whether or not the name exists, and begins a session. Creates
 * the first administrator from ADMIN_PASSWORD, because not every host has a start-up that could.
 * @param request.address where the caller is, if known; failures are counted by it and by the name.
 * @throws GatewayError `invalid_credentials`, `too_many_logins`
 */
export async function logIn(
  gateway: Gateway,
  request: { username: string; password: string; address: string | undefined },
): Promise<SessionToken> {
  const { username, password } = request
  const sinceMs = await throttled(gateway, request, () => checkLogin(gateway, username, password))
  gateway.runtime.observe({ type: 'admin_login', username })
  return newSession(gateway.runtime, username, sinceMs)
}

/** @returns `tokensValidAfterMs`, for the token. */
async function checkLogin(gateway: Gateway, username: string, password: string): Promise<number> {
  const { config } = gateway.runtime
  let stored = await readCredentials(gateway, username)
  if (!stored && username === config.ADMIN_USERNAME && config.ADMIN_PASSWORD !== undefined) {
    await ensureAdmin(gateway, { actor: { kind: 'system', name: 'login' } })
    stored = await readCredentials(gateway, username)
  }
  const isRight = await checkPassword(gateway, username, password, stored)
  if (isRight && stored) return stored.tokensValidAfterMs ?? beginSessions(gateway, username)
  throw new GatewayError('invalid_credentials', 'The username or the password is wrong')
}

/** For an administrator whose record is older than the field: no token of before is good any more. */
async function beginSessions({ runtime, keyspace }: Gateway, username: string): Promise<number> {
  const key = keyspace.admin(username)
  await runtime.redis.hsetnx(key, 'tokensValidAfterMs', runtime.now())
  // Another login may have been first.
  return Number(await runtime.redis.hget(key, 'tokensValidAfterMs'))
}
