/** Where a caller is, for counting failed logins. */
import type { Context } from 'hono'
import type { Gateway } from '../../gateway.ts'

/**
 * The address of a caller: what the host knows, or with TRUST_PROXY_HEADER the last entry of
 * `x-forwarded-for`, the only one that the proxy itself has written.
 */
export function clientAddress({ runtime }: Gateway, c: Context): string | undefined {
  const forwarded = c.req.header('x-forwarded-for')
  if (!runtime.config.TRUST_PROXY_HEADER || !forwarded) return runtime.clientAddress(c)
  return forwarded.slice(forwarded.lastIndexOf(',') + 1).trim()
}
