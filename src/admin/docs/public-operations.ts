/** The documented operations outside the administration: the relay and the health check. */
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Operation } from '../../domain/operation.ts'
import { relayRoutes } from '../../relay/routes.ts'
import { Health } from '../health.ts'

type Registry = OpenAPIHono['openAPIRegistry']

const MessagesRequest = z
  .looseObject({
    model: z.string(),
    max_tokens: z.int().optional(),
    messages: z.array(z.unknown()).optional(),
    stream: z.boolean().optional(),
  })
  .openapi('MessagesRequest', {
    description: 'As the vendor defines it; passed on byte for byte. The gateway reads `model`.',
    example: {
      model: 'claude-sonnet-4-5',
      max_tokens: 64,
      messages: [{ role: 'user', content: 'hi' }],
    },
  })

const Message = z
  .looseObject({ type: z.literal('message') })
  .openapi('Message', { description: 'As the vendor defines it; passed on byte for byte' })

const MessagesError = z
  .object({
    type: z.literal('error'),
    error: z.looseObject({ type: z.string(), message: z.string() }),
    request_id: z.string().optional(),
  })
  .openapi('MessagesError', {
    example: {
      type: 'error',
      error: { type: 'authentication_error', message: 'This gateway key is not known' },
      request_id: '019ac000-0000-7000-8000-000000000000',
    },
  })

const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

const refusals = {
  400: 'Not JSON, no model, a duplicated field, or what the upstream says of the request',
  401: 'The gateway key is unknown, deleted, disabled or expired',
  403: 'The gateway key lacks the permission',
  413: 'The body is too large',
  415: 'The body is compressed, or not JSON',
  429: 'A limit of the key, or of every account; `retry-after` says how long to wait',
  502: 'No account gave a usable answer',
  503: 'Every account failed, is recovering or is refused by its vendor, none is configured for the model, the store is out of reach, or the gateway is starting',
  504: 'The upstream took too long',
  529: 'Every account is overloaded',
}

/** Registers them; the scheme `GatewayKey` comes with the administration. */
export function registerPublicOperations(registry: Registry): void {
  registry.registerComponent('securitySchemes', 'GatewayBearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'A gateway key as `Authorization: Bearer`',
  })
  for (const { path, operation } of relayRoutes) documented[operation]?.(registry, path)
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

/** How the routes of each operation are registered. */
const documented: Partial<Record<Operation, (registry: Registry, path: string) => void>> = {
  messages: registerMessages,
}

function registerMessages(registry: Registry, path: string): void {
  const errors = Object.entries(refusals).map(([status, text]) => [
    status,
    json(MessagesError, text),
  ])
  registry.registerPath({
    method: 'post',
    path,
    tags: ['Relay'],
    summary: 'Create a message (Anthropic Messages API)',
    description: 'Relayed to the best account. Errors speak the protocol of the vendor.',
    security: [{ GatewayKey: [] }, { GatewayBearer: [] }],
    request: {
      body: { required: true, content: { 'application/json': { schema: MessagesRequest } } },
    },
    responses: {
      200: {
        description: 'The message, or with `stream` its events, as the upstream sent them',
        content: {
          'application/json': { schema: Message },
          'text/event-stream': { schema: z.string() },
        },
      },
      ...Object.fromEntries(errors),
    },
  })
}
