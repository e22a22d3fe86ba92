/** Setup help: `/setup/:client` tells how a client program is pointed at this gateway. */
import { type Context, type Env, Hono } from 'hono'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { clientSetups } from './clients.ts'

/** Serves `/setup` and `/setup/:client` as plain text; neither needs a key. */
export function setupRoutes<E extends Env>(gateway: Gateway): Hono<E> {
  const app = new Hono<E>()
  app.get('/setup', (c) => {
    const rows = Object.entries(clientSetups).map(
      ([name, { title, appends }]) =>
        `${baseOf(gateway, c)}/setup/${name}  ${title} (adds ${appends})`,
    )
    return send(c, rows.join('\n'))
  })
  app.get('/setup/:client', (c) => {
    const name = c.req.param('client') ?? ''
    const setup = Object.hasOwn(clientSetups, name) ? clientSetups[name] : undefined
    if (setup) return send(c, `${setup.title}\n\n${setup.text(baseOf(gateway, c))}`)
    const names = Object.keys(clientSetups).join(', ')
    throw new GatewayError(
      'not_found',
      `There is no setup for this client; there is one for ${names}`,
    )
  })
  return app
}

const send = (c: Context, text: string) =>
  c.body(`${text}\n`, 200, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-cache',
  })

/** A name or an address, and maybe a port (RFC 9110 §7.2). */
const hostForm = /^[\w.-]{1,253}(:\d{1,5})?$|^\[[\da-fA-F:.]{2,45}\](:\d{1,5})?$/

/**
 * The address by which this request came: `PUBLIC_URL` where it is set; else the host that the client
 * named, with the scheme that a trusted proxy reports.
 */
function baseOf({ runtime }: Gateway, c: Context): string {
  const { PUBLIC_URL, TRUST_PROXY_HEADER } = runtime.config
  if (PUBLIC_URL) return PUBLIC_URL
  const url = new URL(c.req.url)
  const forwarded = TRUST_PROXY_HEADER ? c.req.header('x-forwarded-proto') : undefined
  const scheme =
    forwarded === 'https' || forwarded === 'http' ? forwarded : url.protocol.slice(0, -1)
  const host = c.req.header('host') ?? url.host
  return `${scheme}://${hostForm.test(host) ? host : 'gateway.example.com'}`
}
