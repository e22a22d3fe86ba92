/** The one write of upstream accounts, and what is checked before it. */

import type { Account } from '../../catalog/account.ts'
import { shownProxy } from '../../catalog/proxy.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { writeAccountScript } from '../../store/scripts/catalog.ts'
import { checkUpstreamUrl } from '../../upstream-url.ts'
import { packAuditEntry } from '../audit/audit.ts'

/** @throws GatewayError `invalid_request` when the gateway may not call this address. */
export function checkApiUrl({ runtime }: Gateway, apiUrl: string): void {
  const allowPrivate = runtime.config.ALLOW_PRIVATE_UPSTREAMS
  const message = checkUpstreamUrl(apiUrl, { allowPrivate })
  if (message === undefined) return
  const issues = [{ field: 'apiUrl', message }]
  throw new GatewayError('invalid_request', 'The gateway may not call this apiUrl', { issues })
}

/** Writes an account, or with `record` undefined removes it, together with its audit entry. */
export async function writeAccount(
  gateway: Gateway,
  expectedRevision: number,
  change: {
    actor: string
    action: string
    accountId: string
    record: Account | undefined
    facts: { before: Partial<Account> | null; after: Partial<Account> | null }
  },
): Promise<'ok' | 'conflict'> {
  const { runtime, keyspace } = gateway
  const { actor, action, accountId, facts } = change
  const record = change.record && JSON.stringify(change.record)
  const before = shownFacts(facts.before)
  const after = shownFacts(facts.after)
  if (before && after) Object.assign(after, replacements(facts.before, facts.after))
  const entry = packAuditEntry(gateway, { actor, action, targetId: accountId, before, after })
  const input = { accountId, expectedRevision, record, entry }
  const reply = await writeAccountScript(runtime.redis, keyspace, input)
  if (reply === 'ok') runtime.log.info(action.replace('.', '_'), { accountId, by: actor })
  return reply
}

/** What an audit entry may show of a record. */
function shownFacts(facts: Partial<Account> | null): Record<string, unknown> | null {
  if (!facts?.proxy) return facts && { ...facts }
  return { ...facts, proxy: shownProxy(facts.proxy) }
}

/** Tells which secrets a change has replaced, as none of them is shown. */
function replacements(before: Partial<Account> | null, after: Partial<Account> | null) {
  const replaced: Record<string, true> = {}
  if (after?.sealedApiKey !== undefined) replaced.apiKeyReplaced = true
  const [old, next] = [before?.proxy?.auth, after?.proxy?.auth]
  if (old && next && old.sealedPassword !== next.sealedPassword) {
    replaced.proxyPasswordReplaced = true
  }
  return replaced
}
