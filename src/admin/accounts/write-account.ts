/** The one write of upstream accounts, together with its audit entry. */
import { type Account, familiesOf } from '../../catalog/account.ts'
import { shownProxy } from '../../catalog/proxy.ts'
import { type Actor, actorName } from '../../domain/actor.ts'
import type { PoolId } from '../../domain/platform.ts'
import type { Gateway } from '../../gateway.ts'
import { tellHealthChanges } from '../../relay/scheduling/health-events.ts'
import { writeAccountScript } from '../../store/scripts/catalog.ts'
import { packAuditEntry } from '../audit/entry.ts'

/** Writes an account, or with `record` undefined removes it; `facts` are for the audit entry. */
export async function writeAccount(
  gateway: Gateway,
  expectedRevision: number,
  change: {
    actor: Actor
    action: string
    accountId: string
    record: Account | undefined
    facts: { before: Partial<Account> | null; after: Partial<Account> | null }
    /** The pool in which its cooldowns end with this write; undefined where they go on. */
    recoveredIn?: PoolId | undefined
  },
): Promise<'ok' | 'conflict'> {
  const { runtime, keyspace } = gateway
  const { action, accountId, facts } = change
  const actor = actorName(change.actor)
  const record = change.record && JSON.stringify(change.record)
  const before = shownFacts(facts.before)
  const after = shownFacts(facts.after)
  if (before && after) Object.assign(after, replacements(facts.before, facts.after))
  const entry = packAuditEntry(gateway, { actor, action, targetId: accountId, before, after })
  const { recoveredIn } = change
  const families = change.record ? familiesOf(change.record) : []
  const input = { accountId, expectedRevision, record, recoveredIn, families, entry }
  const reply = await writeAccountScript(runtime.redis, keyspace, input)
  if (reply.kind === 'ok') {
    runtime.observe({ type: 'record_changed', action, targetId: accountId, by: actor })
    if (recoveredIn) tellHealthChanges(runtime, recoveredIn, reply.healthChanges)
  }
  return reply.kind
}

/** What an audit entry may show of a record. */
function shownFacts(facts: Partial<Account> | null): Record<string, unknown> | null {
  if (!facts?.proxy) return facts && { ...facts }
  return { ...facts, proxy: shownProxy(facts.proxy) }
}

/** Names the secrets that a change has replaced, as none of them is shown. */
function replacements(before: Partial<Account> | null, after: Partial<Account> | null) {
  const replaced: Record<string, true> = {}
  if (after?.sealedApiKey !== undefined) replaced.apiKeyReplaced = true
  const [old, next] = [before?.proxy?.auth, after?.proxy?.auth]
  if (old && next && old.sealedPassword !== next.sealedPassword) {
    replaced.proxyPasswordReplaced = true
  }
  return replaced
}
