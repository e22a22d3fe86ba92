/** The verb that changes the settings and credentials of an account. */
import type { Account, AccountInput } from '../../catalog/account.ts'
import { checkProxy, isOtherProxy, sealProxy } from '../../catalog/proxy.ts'
import { ensureSealingKey } from '../../catalog/sealing.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { checkPrecondition, type Precondition } from '../patch.ts'
import { requirePermission } from '../permissions.ts'
import { changeAccount } from './change.ts'
import { checkApiUrl } from './check-api-url.ts'
import { checkCredential } from './check-credential.ts'
import { type AccountRequest, type AccountState, withHealth } from './find.ts'

/** Fields by which an administrator repairs an account: the cause of its cooldown may be gone. */
const recoveryFields = [
  'sealedApiKey',
  'apiUrl',
  'proxy',
  'credentialHeader',
] satisfies (keyof Account)[]

/**
 * Changes the given settings of an account and no other; new credentials are sealed.
 * A new credential, address or proxy ends its cooldown: the next request may use it.
 * @throws GatewayError `not_permitted`, `not_found`, `invalid_request` for an address or proxy that the
 * gateway may not call, `conflict` when the account is not the one that the edit was made from.
 */
export async function updateAccount(
  gateway: Gateway,
  edit: AccountRequest & { patch: Partial<AccountInput>; precondition: Precondition },
): Promise<AccountState> {
  const { actor, platform, accountId, precondition } = edit
  requirePermission(actor, 'accounts:write')
  const patch = await sealPatch(gateway, accountId, edit.patch)
  const stored = await changeAccount(gateway, {
    actor,
    platform,
    accountId,
    action: 'account.updated',
    mayRecover: recoveryFields.some((field) => field in patch),
    decide: (current) => {
      checkPrecondition(current, precondition)
      refuseNewReader(current.record, patch)
      return patch
    },
  })
  return withHealth(gateway, stored)
}

/** The patch as it is stored: its addresses checked, its credentials sealed. */
async function sealPatch(
  gateway: Gateway,
  accountId: string,
  { apiKey, proxy: proxyInput, ...settings }: Partial<AccountInput>,
): Promise<Partial<Account>> {
  const { sealer } = gateway
  if (settings.apiUrl !== undefined) checkApiUrl(gateway, settings.apiUrl)
  if (apiKey !== undefined) checkCredential(apiKey)
  const proxy = proxyInput && checkProxy(gateway, proxyInput)
  if (apiKey !== undefined || proxy?.auth) await ensureSealingKey(gateway)
  return {
    ...settings,
    ...(proxy !== undefined && { proxy: proxy && sealProxy(proxy, sealer, accountId) }),
    ...(apiKey !== undefined && { sealedApiKey: sealer.seal(apiKey, accountId) }),
  }
}

/** Refuses an edit that would send the stored credential to a place where others can read it. */
function refuseNewReader(current: Account, patch: Partial<Account>): void {
  if (patch.sealedApiKey !== undefined) return
  const { origin, protocol } = new URL(patch.apiUrl ?? current.apiUrl)
  const isElsewhere = origin !== new URL(current.apiUrl).origin
  // With TLS a proxy cannot read the credential; without TLS it can.
  const isReadByProxy =
    protocol === 'http:' && !!patch.proxy && isOtherProxy(patch.proxy, current.proxy)
  if (!isElsewhere && !isReadByProxy) return
  const message = isElsewhere
    ? 'must be given again when apiUrl names another host'
    : 'must be given again when an http apiUrl gets another proxy, which can read it'
  const issues = [{ field: 'apiKey', message }]
  throw new GatewayError('invalid_request', `The field "apiKey" ${message}`, { issues })
}
