/** The one route for the holder of a gateway key: what the key may do, and what is left of it. */
import { createRoute } from '@hono/zod-openapi'
import type { ApiKey } from '../../catalog/api-key.ts'
import type { Gateway } from '../../gateway.ts'
import { authenticate } from '../../relay/authenticate.ts'
import { usableKey } from '../../relay/plan.ts'
import { answer, refused } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { getOwnKey, OwnKey } from './get.ts'

const me = createRoute({
  method: 'get',
  path: '/me',
  tags: ['Own key'],
  security: [{ GatewayKey: [] }],
  summary: 'Tell the holder of a key about it',
  description: 'The key itself is the credential, as `x-api-key` or as `Authorization: Bearer`.',
  responses: {
    200: answer(OwnKey, 'The key, its limits and its usage'),
    401: refused[401],
    503: refused[503],
  },
})

/** Registers the route; it wants a gateway key and no session. */
export function meRoute(app: AdminApp, gateway: Gateway): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'GatewayKey', {
    type: 'apiKey',
    in: 'header',
    name: 'x-api-key',
  })
  app.openapi(me, async (c) => {
    const apiKey = await ownKey(gateway, c.req.raw.headers)
    const actor = { kind: 'api_key' as const, keyId: apiKey.id }
    return c.json(await getOwnKey(gateway, { actor, apiKey }), 200)
  })
}

/** The caller's key as the store has it now. @throws GatewayError as the relay does. */
async function ownKey({ catalog, runtime }: Gateway, headers: Headers): Promise<ApiKey> {
  const { snapshot, isFresh } = await authenticate(catalog, headers)
  return usableKey(isFresh ? snapshot : await catalog.load(snapshot.digest), runtime.now())
}
