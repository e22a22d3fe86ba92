/** The documented operations that list models. */
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import { modelBases } from '../../relay/models/routes.ts'

type Registry = OpenAPIHono['openAPIRegistry']

const Model = z.looseObject({ id: z.string() }).openapi('Model')
const Models = z
  .looseObject({ data: z.array(Model).optional(), models: z.array(z.unknown()).optional() })
  .openapi('Models', {
    description:
      'In the form of Anthropic for clients that send `anthropic-version`, else in the form of OpenAI',
  })
const AnyError = z
  .looseObject({ error: z.looseObject({ message: z.string() }) })
  .openapi('ModelsError', { description: 'In the envelope of the vendor whose path was asked for' })

const json = (schema: z.ZodType, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
const errors = {
  401: json(AnyError, 'The gateway key is unknown, deleted, disabled or expired'),
  403: json(AnyError, 'The gateway key lacks the permission'),
  503: json(AnyError, 'The store is out of reach, or the gateway is starting'),
}
const common = {
  method: 'get' as const,
  tags: ['Relay'],
  security: [{ GatewayKey: [] }, { GatewayBearer: [] }],
}

/** Registers them below each base. */
export function registerModelOperations(registry: Registry): void {
  for (const base of modelBases) {
    registry.registerPath({
      ...common,
      path: `${base}/models`,
      summary: 'List the models that this gateway key may use',
      responses: { 200: json(Models, 'The models'), ...errors },
    })
    registry.registerPath({
      ...common,
      path: `${base}/models/{id}`,
      summary: 'Show one of these models',
      request: { params: z.object({ id: z.string() }) },
      responses: {
        200: json(Model, 'The model'),
        ...errors,
        404: json(AnyError, 'The gateway key may not use this model, or no account serves it'),
      },
    })
  }
}
