/** Prepares the request to an account: built by its platform, and sent through its proxy. */
import type { AccountSecrets } from '../catalog/account-secrets.ts'
import type { UpstreamRequest } from '../runtime.ts'
import { unlessAborted } from '../unless-aborted.ts'
import type { AccountCall, Platform } from './platform.ts'

export interface PreparedRequest {
  url: string
  init: UpstreamRequest
}

/**
 * What the host's `fetch` needs to call the account.
 * @throws what the platform throws, and the reason of the signal as soon as that aborts.
 */
export async function prepareRequest(
  platform: Platform,
  secrets: AccountSecrets,
  call: Omit<AccountCall, 'credential'>,
): Promise<PreparedRequest> {
  const { account, headers, signal } = call
  const { credential, proxy } = secrets
  // Bodies are relayed byte for byte and read on the way, so they must not be compressed.
  headers.set('accept-encoding', 'identity')
  if (account.userAgent !== '') headers.set('user-agent', account.userAgent)
  const built = platform.buildRequest({ ...call, credential })
  const { url, ...request } = built instanceof Promise ? await unlessAborted(built, signal) : built
  const via = proxy && { accountId: account.id, proxy }
  return { url, init: { ...request, redirect: 'manual', signal, ...(via && { via }) } }
}
