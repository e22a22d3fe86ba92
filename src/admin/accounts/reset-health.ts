/** The verb that ends the cooldown of an account. */
import { familiesOf } from '../../catalog/account.ts'
import { healthy } from '../../catalog/account-health.ts'
import { actorName } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import { tellHealthChanges } from '../../relay/scheduling/health-events.ts'
import { resetHealthScript } from '../../store/scripts/reset-health.ts'
import { packAuditEntry } from '../audit/entry.ts'
import { requirePermission } from '../permissions.ts'
import { type AccountRequest, type AccountState, findAccountState } from './find.ts'

/** Ends every cooldown of an account at once, whatever its reason. @throws GatewayError `not_permitted`, `not_found` */
export async function resetAccountHealth(
  gateway: Gateway,
  { actor, platform, accountId }: AccountRequest,
): Promise<AccountState> {
  requirePermission(actor, 'accounts:write')
  const { runtime, keyspace } = gateway
  const { health, ...stored } = await findAccountState(gateway, { platform, accountId })
  const entry = packAuditEntry(gateway, {
    actor: actorName(actor),
    action: 'account.reset',
    targetId: accountId,
    before: { ...health },
    after: { ...healthy },
  })
  const { poolId } = gateway.platforms.platformOf(stored.record)
  const input = { poolId, accountId, families: familiesOf(stored.record), entry }
  const reply = await resetHealthScript(runtime.redis, keyspace, input)
  if (reply.kind === 'ok') {
    const by = actorName(actor)
    runtime.observe({ type: 'record_changed', action: 'account.reset', targetId: accountId, by })
    tellHealthChanges(runtime, poolId, reply.healthChanges)
  }
  return { ...stored, health: healthy }
}
