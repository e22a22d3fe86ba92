/** The request as one account wants it: its address, credential, model and proxy. */
import type { Account } from '../../catalog/account.ts'
import { openProxy } from '../../catalog/proxy.ts'
import type { Sealer } from '../../crypto.ts'
import type { Protocol } from '../../dialects/dialect.ts'
import { upstreamHeaders } from '../../dialects/headers.ts'
import type { OutboundProxy, UpstreamRequest } from '../../runtime.ts'
import type { ClientRequest } from '../request/client-request.ts'
import { replaceModel } from '../request/hints.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'

/** Secrets of the accounts in memory, opened once; they go when the catalog drops the record. */
const opened = new WeakMap<Account, { credential: string; proxy: OutboundProxy | undefined }>()

/** @throws SealError */
function secretsOf(account: Account, sealer: Sealer) {
  const known = opened.get(account)
  if (known) return known
  const secrets = {
    credential: sealer.unseal(account.sealedApiKey, account.id),
    proxy: openProxy(account.proxy, sealer, account.id),
  }
  opened.set(account, secrets)
  return secrets
}

/** @throws SealError when the account's credentials cannot be read with this gateway's key. */
export function upstreamRequest(
  { sealer, protocol, client }: { sealer: Sealer; protocol: Protocol; client: ClientRequest },
  { account, upstreamModel }: PlannedAccount,
): { url: string; init: Omit<UpstreamRequest, 'signal'> } {
  const { credential, proxy } = secretsOf(account, sealer)
  const headers = upstreamHeaders(client.headers, account.userAgent)
  protocol.authorize(headers, credential)
  const { hints } = client
  const body =
    upstreamModel === hints.model ? client.body : replaceModel(client.body, hints, upstreamModel)
  return {
    url: protocol.endpoint(account.apiUrl) + client.search,
    init: {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      ...(proxy && { via: { accountId: account.id, proxy } }),
    },
  }
}
