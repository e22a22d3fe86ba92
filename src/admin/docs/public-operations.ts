/** The documented operations outside the administration: the relay and the health check. */
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import { relayRoutes } from '../../relay/routes.ts'
import { Health } from '../health.ts'
import { registerModelOperations } from './model-operations.ts'
import { registerRelayOperation } from './relay-operations.ts'
import { registerUsageOperations } from './usage-operations.ts'

type Registry = OpenAPIHono['openAPIRegistry']

const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

/** Registers them; the scheme `GatewayKey` comes with the administration. */
export function registerPublicOperations(registry: Registry): void {
  registry.registerComponent('securitySchemes', 'GatewayBearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'A gateway key as `Authorization: Bearer`',
  })
  // OpenAPI has no form for WebSockets.
  const described = relayRoutes.filter(({ isSocket }) => !isSocket)
  for (const route of described) registerRelayOperation(registry, route)
  registerModelOperations(registry)
  registerUsageOperations(registry)
  registry.registerPath({
    method: 'get',
    path: '/health',
    tags: ['Health'],
    summary: 'Show whether the store takes writes, how fast, and which platforms can serve',
    responses: {
      200: json(Health, 'The gateway can serve'),
      503: json(Health, 'The store does not answer or takes no writes, or the gateway is starting'),
    },
  })
  registry.registerPath({
    method: 'get',
    path: '/livez',
    tags: ['Health'],
    summary: 'Show that the process runs',
    description: 'Asks nothing of the store, and answers while the gateway is starting too.',
    responses: { 200: json(z.object({ status: z.literal('ok') }), 'It runs') },
  })
}
