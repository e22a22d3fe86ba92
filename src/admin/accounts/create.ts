/** The verb that creates an account. */
import { v7 as uuidv7 } from 'uuid'
import type { Account, AccountInput } from '../../catalog/account.ts'
import { healthy } from '../../catalog/account-health.ts'
import { checkProxy, sealProxy } from '../../catalog/proxy.ts'
import { ensureSealingKey } from '../../catalog/sealing.ts'
import type { Actor } from '../../domain/actor.ts'
import type { PlatformId } from '../../domain/platform.ts'
import type { Gateway } from '../../gateway.ts'
import { changedMeanwhile } from '../patch.ts'
import { requirePermission } from '../permissions.ts'
import { checkApiUrl } from './check-api-url.ts'
import { checkCredential } from './check-credential.ts'
import type { AccountState } from './find.ts'
import { writeAccount } from './write-account.ts'

/**
 * Creates an account and seals its credentials.
 * @throws GatewayError `not_permitted`, `invalid_request` when the gateway may not call this address
 * or this proxy, or for a token of a personal subscription, `misconfigured` when this gateway seals with another key than the store's.
 */
export async function createAccount(
  gateway: Gateway,
  { actor, platform, input }: { actor: Actor; platform: PlatformId; input: AccountInput },
): Promise<AccountState> {
  requirePermission(actor, 'accounts:write')
  const { runtime, sealer } = gateway
  const { apiKey, ...settings } = input
  checkApiUrl(gateway, settings.apiUrl)
  checkCredential(apiKey)
  const proxy = settings.proxy && checkProxy(gateway, settings.proxy)
  await ensureSealingKey(gateway)
  const nowMs = runtime.now()
  const createdAt = new Date(nowMs).toISOString()
  const id = uuidv7({ msecs: nowMs })
  const record: Account = {
    ...settings,
    id,
    platform,
    sealedApiKey: sealer.seal(apiKey, id),
    proxy: proxy && sealProxy(proxy, sealer, id),
    createdAt,
    updatedAt: createdAt,
  }
  const facts = { before: null, after: record }
  const change = { actor, action: 'account.created', accountId: id, record, facts }
  if ((await writeAccount(gateway, 0, change)) === 'conflict') throw changedMeanwhile()
  return { record, revision: 1, health: healthy }
}
