/** Where a caller is, for counting failed logins. */
import type { Context } from 'hono'
import type { Gateway } from '../../gateway.ts'

/**
 * The address of a caller: what the host knows, or with TRUST_PROXY_HEADER the last entry of
 * `x-forwarded-for`, the only one that the proxy itself has written, without the port that some add.
 */
export function clientAddress({ runtime }: Gateway, c: Context): string | undefined {
  const forwarded = c.req.header('x-forwarded-for')
  if (!runtime.config.TRUST_PROXY_HEADER || !forwarded) return runtime.clientAddress(c)
  return withoutPort(forwarded.slice(forwarded.lastIndexOf(',') + 1).trim())
}

/** `192.0.2.1:5678` and `[2001:db8::1]:443` as addresses; any other text as it is. */
export function withoutPort(text: string): string {
  const [, v6, v4] = /^\[([^\]]*)\](?::\d+)?$|^([\d.]+):\d+$/.exec(text) ?? []
  return v6 ?? v4 ?? text
}
