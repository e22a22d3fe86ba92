/** The verb that ends a session. */
import type { Actor } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import { requirePermission } from '../permissions.ts'
import { revokeToken, type Session } from './token.ts'

/** Ends the session of the caller: its token is refused from now on. @throws GatewayError `not_permitted` */
export async function logOut(
  gateway: Gateway,
  { actor, session }: { actor: Actor; session: Session },
): Promise<void> {
  requirePermission(actor, 'session:write')
  await revokeToken(gateway, session)
  gateway.runtime.observe({ type: 'admin_logout', username: session.username })
}
