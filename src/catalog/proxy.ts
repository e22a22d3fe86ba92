/** The proxy of an account: checked and sealed on its way in, opened for a request, shown without secrets. */
import type { Sealer } from '../crypto.ts'
import { GatewayError } from '../errors.ts'
import type { OutboundProxy } from '../runtime.ts'
import { checkProxyHost } from '../upstream-url.ts'
import type { ProxyInput, StoredProxy } from './account.ts'
import type { CatalogContext } from './context.ts'

/** Why an account with a proxy cannot serve where the host cannot go through one. */
export const proxyUnsupported =
  'This host (Cloudflare Workers) cannot go through a proxy; remove it, or run the gateway on Node'

// Apart from that of the API key, so that neither can be passed off as the other.
const sealingContext = (accountId: string) => `${accountId}:proxy`

/**
 * The proxy with its host in the one spelling that is stored.
 * @throws GatewayError `invalid_request` when the gateway may not connect to this host.
 */
export function checkProxy({ runtime }: CatalogContext, proxy: ProxyInput): ProxyInput {
  const allowPrivate = runtime.config.ALLOW_PRIVATE_PROXIES
  const checked = checkProxyHost(proxy.host, { allowPrivate })
  if ('host' in checked) return { ...proxy, host: checked.host }
  const issues = [{ field: 'proxy.host', message: checked.fault }]
  throw new GatewayError('invalid_request', 'The gateway may not connect to this proxy.host', {
    issues,
  })
}

/** The proxy as the store holds it, its password sealed for this account. */
export function sealProxy(
  { protocol, host, port, auth }: ProxyInput,
  sealer: Sealer,
  accountId: string,
): StoredProxy {
  if (!auth) return { protocol, host, port, auth: null }
  const sealedPassword = sealer.seal(auth.password, sealingContext(accountId))
  return { protocol, host, port, auth: { username: auth.username, sealedPassword } }
}

/** The proxy as a request goes through it, or undefined without one. @throws SealError */
export function openProxy(
  stored: StoredProxy | null,
  sealer: Sealer,
  accountId: string,
): OutboundProxy | undefined {
  if (!stored) return undefined
  const { protocol, host, port, auth } = stored
  if (!auth) return { protocol, host, port, auth: undefined }
  const password = sealer.unseal(auth.sealedPassword, sealingContext(accountId))
  return { protocol, host, port, auth: { username: auth.username, password } }
}

/** What administrators may see of a proxy: everything but its password. */
export function shownProxy({ protocol, host, port, auth }: StoredProxy) {
  return { protocol, host, port, auth: auth && { username: auth.username } }
}

/** Whether requests would go through another place than before. */
export function isOtherProxy(proxy: StoredProxy, before: StoredProxy | null): boolean {
  const { protocol, host, port } = proxy
  return protocol !== before?.protocol || host !== before.host || port !== before.port
}
