/** The verb that shows who is logged in. */
import type { Actor } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import { requirePermission } from '../permissions.ts'
import type { Session } from './token.ts'

/** Who the session of the caller belongs to. @throws GatewayError `not_permitted` */
export async function getSession(
  _gateway: Gateway,
  { actor, session }: { actor: Actor; session: Session },
): Promise<{ username: string }> {
  requirePermission(actor, 'session:read')
  return { username: session.username }
}
