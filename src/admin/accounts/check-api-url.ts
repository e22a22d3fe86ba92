/** Whether the gateway may call the address of an account. */
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { checkUpstreamUrl } from '../../upstream-url.ts'

/** @throws GatewayError `invalid_request` when the gateway may not call this address. */
export function checkApiUrl({ runtime }: Gateway, apiUrl: string): void {
  const allowPrivate = runtime.config.ALLOW_PRIVATE_UPSTREAMS
  const message = checkUpstreamUrl(apiUrl, { allowPrivate })
  if (message === undefined) return
  const isOnlyPrivate =
    !allowPrivate && checkUpstreamUrl(apiUrl, { allowPrivate: true }) === undefined
  const hint = isOnlyPrivate ? ' An operator can allow it with ALLOW_PRIVATE_UPSTREAMS=true.' : ''
  const issues = [{ field: 'apiUrl', message: `${message}${hint}` }]
  throw new GatewayError('invalid_request', 'The gateway may not call this apiUrl', { issues })
}
