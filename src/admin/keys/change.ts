/** The one way in which the record of a gateway key changes, together with its audit entry. */
import type { ApiKey } from '../../catalog/api-key.ts'
import type { Stored } from '../../catalog/stored-records.ts'
import { type Actor, actorName } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import { updateApiKeyScript } from '../../store/scripts/catalog.ts'
import { packAuditEntry } from '../audit/entry.ts'
import { differences, nextUpdatedAt, retryConflicts } from '../patch.ts'
import { findApiKey } from './find.ts'

/**
 * Writes the fields that `decide` names, unless they are all as they were. `decide` gets the time of
 * the write (RFC 3339), and is asked again when the record has changed meanwhile.
 * @throws GatewayError `not_found`, `conflict`, and what `decide` throws.
 */
export function changeApiKey(
  gateway: Gateway,
  change: {
    actor: Actor
    keyId: string
    action: string
    decide: (stored: Stored<ApiKey>, updatedAt: string) => Promise<Partial<ApiKey>>
  },
): Promise<Stored<ApiKey>> {
  const { runtime, keyspace } = gateway
  const { actor, keyId, action, decide } = change
  return retryConflicts(async () => {
    const { stored } = await findApiKey(gateway, keyId)
    const updatedAt = nextUpdatedAt(stored.record, runtime.now())
    const next = { ...stored.record, ...(await decide(stored, updatedAt)) }
    const changed = differences(stored.record, next)
    if (!changed) return stored
    const record: ApiKey = { ...next, updatedAt }
    const reply = await updateApiKeyScript(runtime.redis, keyspace, {
      keyId,
      digest: record.digest,
      expectedRevision: stored.revision,
      record: JSON.stringify(record),
      entry: keyEntry(gateway, { actor, action, keyId, ...changed }),
    })
    if (reply === 'conflict') return undefined
    runtime.observe({ type: 'record_changed', action, targetId: keyId, by: actorName(actor) })
    return { record, revision: stored.revision + 1 }
  })
}

/** The packed audit entry of a change to a key. */
export function keyEntry(
  gateway: Gateway,
  change: {
    actor: Actor
    action: string
    keyId: string
    before: object | null
    after: object | null
  },
): string {
  const { actor, action, keyId: targetId, before, after } = change
  return packAuditEntry(gateway, {
    actor: actorName(actor),
    action,
    targetId,
    before: before && { ...before },
    after: after && { ...after },
  })
}
