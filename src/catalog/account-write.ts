/** The one write of upstream accounts, and what is checked before it. */
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { writeAccountScript } from '../store/scripts/catalog.ts'
import { checkUpstreamUrl } from '../upstream-url.ts'
import type { Account } from './account.ts'
import { packAuditEntry } from './audit.ts'

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
    facts: { before: object | null; after: object | null }
  },
): Promise<'ok' | 'conflict'> {
  const { runtime, keyspace } = gateway
  const { actor, action, accountId, facts } = change
  const record = change.record && JSON.stringify(change.record)
  const [before, after] = [shownFacts(facts.before), shownFacts(facts.after)]
  if (before && after && 'sealedApiKey' in after) after.apiKeyReplaced = true
  const entry = packAuditEntry(gateway, { actor, action, targetId: accountId, before, after })
  const input = { accountId, expectedRevision, record, entry }
  const reply = await writeAccountScript(runtime.redis, keyspace, input)
  if (reply === 'ok') runtime.log.info(action.replace('.', '_'), { accountId, by: actor })
  return reply
}

/** What an audit entry may show of a record: of its proxy only where it is. */
function shownFacts(record: object | null): Record<string, unknown> | null {
  if (!record) return null
  const facts: Record<string, unknown> = { ...record }
  const { proxy } = facts
  if (proxy && typeof proxy === 'object' && 'auth' in proxy) {
    facts.proxy = { ...proxy, auth: proxy.auth && 'hidden' }
  }
  return facts
}
