/** The one route for the holder of a gateway key: what the key may do, and what is left of it. */
import type { Gateway } from '../../gateway.ts'
import { gatewayKeyRoute } from '../access.ts'
import { answer } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { getOwnKey, OwnKey } from './get.ts'

const me = gatewayKeyRoute('own_key:read', {
  method: 'get',
  path: '/me',
  tags: ['Own key'],
  summary: 'Show a key to its holder',
  description: 'The key itself is the credential, as `x-api-key` or as `Authorization: Bearer`.',
  responses: { 200: answer(OwnKey, 'The key, its limits and its usage') },
})

/** Registers the route for the holder of a gateway key. */
export function ownKeyRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(me, async (c) => {
    const caller = { actor: c.get('actor'), apiKey: c.get('apiKey') }
    return c.json(await getOwnKey(gateway, caller), 200)
  })
}
