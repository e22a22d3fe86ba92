/** The documented operations by which client programs read the usage of their key. */
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import { OwnKey } from '../own-key/get.ts'

type Registry = OpenAPIHono['openAPIRegistry']

const ClaudeUsage = z
  .looseObject({ extra_usage: z.looseObject({}), limits: z.array(z.looseObject({})) })
  .openapi('ClaudeUsage', { description: 'Budgets in the form of Claude Code, in cents' })
const UsageError = z
  .looseObject({ type: z.literal('error'), error: z.looseObject({ message: z.string() }) })
  .openapi('UsageError')

const json = (schema: z.ZodType, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
const common = {
  method: 'get' as const,
  tags: ['Own key'],
  security: [{ GatewayKey: [] }, { GatewayBearer: [] }],
}
const errors = {
  401: json(UsageError, 'The gateway key is unknown, deleted, disabled or expired'),
  503: json(UsageError, 'The store is out of reach, or the gateway is starting'),
}

/** Registers them. */
export function registerUsageOperations(registry: Registry): void {
  registry.registerPath({
    ...common,
    path: '/api/v1/usage',
    summary: 'Show a key to its holder, as `/api/v2/me` does',
    responses: { 200: json(OwnKey, 'The key, its limits and its usage'), ...errors },
  })
  registry.registerPath({
    ...common,
    path: '/api/oauth/usage',
    summary: 'Show the budgets of a key in the form of Claude Code',
    responses: { 200: json(ClaudeUsage, 'The budgets'), ...errors },
  })
}
