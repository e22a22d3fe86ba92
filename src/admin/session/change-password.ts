/** The verb by which administrators change their own password. */
import { hashPassword, verifyPassword } from '../../crypto.ts'
import { type Actor, actorName } from '../../domain/actor.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { replacePasswordScript } from '../../store/scripts/password.ts'
import { packAuditEntry } from '../audit/entry.ts'
import { requirePermission } from '../permissions.ts'
import { dummyHash, readCredentials } from './credentials.ts'
import { throttled } from './throttle.ts'
import { newSession, type Session, type SessionToken } from './token.ts'

export interface PasswordChange {
  actor: Actor
  session: Session
  currentPassword: string
  newPassword: string
  /** Where the caller is, if known: failures are counted as those of logins are. */
  address: string | undefined
}

/**
 * Gives the administrator of the session another password, which ends all of their sessions.
 * @returns a new session.
 * @throws GatewayError `not_permitted`, `too_many_logins`, `conflict`, `invalid_request` when the
 * current password is wrong or the new one is the same.
 */
export async function changePassword(
  gateway: Gateway,
  change: PasswordChange,
): Promise<SessionToken> {
  requirePermission(change.actor, 'session:write')
  const { username } = change.session
  const caller = { username, address: change.address }
  // A stolen token must not be a way to guess the password without the wait after failed logins.
  const sinceMs = await throttled(gateway, caller, () => replacePassword(gateway, change))
  return newSession(gateway.runtime, username, sinceMs)
}

/** @returns `tokensValidAfterMs`, for the new token. */
async function replacePassword(
  gateway: Gateway,
  { actor, session: { username }, currentPassword, newPassword }: PasswordChange,
): Promise<number> {
  const { redis, observe, now } = gateway.runtime
  const stored = await readCredentials(gateway, username)
  const expectedHash = stored?.passwordHash ?? dummyHash
  if (!(await verifyPassword(currentPassword, expectedHash)) || !stored) {
    throw refusal('currentPassword', 'Is not the current password')
  }
  if (await verifyPassword(newPassword, expectedHash)) {
    throw refusal('newPassword', 'Must differ from the current password')
  }
  const entry = packAuditEntry(gateway, {
    actor: actorName(actor),
    action: 'admin.password_changed',
    targetId: username,
    before: null,
    after: null,
  })
  const reply = await replacePasswordScript(redis, gateway.keyspace, {
    username,
    expectedHash,
    hash: await hashPassword(newPassword),
    updatedAt: new Date(now()).toISOString(),
    entry,
  })
  if (reply === 'conflict') {
    throw new GatewayError('conflict', 'The password was changed meanwhile; log in again')
  }
  observe({ type: 'admin_password_changed', username })
  return reply
}

function refusal(field: string, message: string): GatewayError {
  const issues = [{ field, message }]
  return new GatewayError('invalid_request', `The request is not valid: see ${field}`, { issues })
}
