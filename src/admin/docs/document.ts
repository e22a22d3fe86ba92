/** The OpenAPI 3.1 document: generated from the routes, completed with what holds for all of them. */
import { OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi'
import type { AdminApp } from '../app.ts'
import { bodyExamples } from './examples.ts'
import { registerPublicOperations } from './public-operations.ts'

type Document = ReturnType<AdminApp['getOpenAPI31Document']>
type Operation = NonNullable<NonNullable<Document['paths']>[string]['get']>

export const methods = ['get', 'post', 'put', 'patch', 'delete'] as const

const description = `An AI gateway between a team's coding agents and its upstream accounts.

Administration: log in, then send the token as \`Authorization: Bearer\`. Relay: send a gateway key
as \`x-api-key\` or as \`Authorization: Bearer\`. Every answer carries \`x-request-id\`.`

const tags = [
  { name: 'Session', description: 'Logging in and out, and the password' },
  { name: 'Keys', description: 'Gateway keys, their limits and what they consumed' },
  { name: 'Accounts', description: 'Upstream accounts, their health, never their credentials' },
  { name: 'Prices', description: 'Prices of models that precede the public ones' },
  { name: 'Requests', description: 'Where a request went, why, and what it cost' },
  { name: 'Own key', description: 'What the holder of a gateway key may know about it' },
  { name: 'Audit', description: 'Who changed what' },
  { name: 'Relay', description: 'What clients call with a gateway key' },
  { name: 'Health', description: 'Whether the gateway can serve' },
]

/** The document of every operation, with addresses relative to the server that sends it. */
export function createDocument(admin: AdminApp): Document {
  const app = new OpenAPIHono()
  app.route('/api/v2', admin)
  registerPublicOperations(app.openAPIRegistry)
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Claude Relay Service, edge edition', version: '2', description },
    servers: [{ url: '/' }],
  })
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type === 'route') freeOptionalFields(document, definition.route)
  }
  const used = new Set<string>()
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const method of methods) {
      const operation = item[method]
      if (!operation) continue
      complete(operation, method, path)
      for (const tag of operation.tags ?? []) used.add(tag)
    }
  }
  const known = new Set(tags.map(({ name }) => name))
  const others = [...used].filter((name) => !known.has(name)).map((name) => ({ name }))
  document.tags = [...tags.filter(({ name }) => used.has(name)), ...others]
  return document
}

/** The generator takes a field that may be left out, but not be undefined, for a required one. */
function freeOptionalFields(document: Document, { method, path, request }: RouteConfig): void {
  const sent = request?.body?.content['application/json']
  const given = sent && 'schema' in sent ? sent.schema : undefined
  if (!(given instanceof z.ZodObject)) return
  const optional = Object.entries(given.shape)
    .filter(([, field]) => field instanceof z.ZodExactOptional)
    .map(([name]) => name)
  const operation = document.paths?.[path]?.[method as 'post']
  const body = operation?.requestBody
  const media = body && 'content' in body ? body.content['application/json'] : undefined
  const schema = media && 'schema' in media ? media.schema : undefined
  const name = schema && '$ref' in schema ? schema.$ref?.split('/').at(-1) : undefined
  const target = name === undefined ? schema : document.components?.schemas?.[name]
  if (!target || !('required' in target) || !target.required) return
  target.required = target.required.filter((field) => !optional.includes(field))
}

const refusal = (description: string) => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
})

function complete(operation: Operation, method: string, path: string): void {
  operation.operationId ??= operationId(method, path)
  const { requestBody } = operation
  if (!path.startsWith('/api/v2/') || !requestBody || '$ref' in requestBody) return
  operation.responses = {
    ...operation.responses,
    413: refusal('The body is larger than a megabyte'),
    415: refusal('The body is not declared as JSON'),
  }
  const media = requestBody.content['application/json']
  const example = bodyExamples[`${method} ${path}`]
  if (media && media.example === undefined && example) media.example = example
}

/** `get`, `/api/v2/keys/{id}/stats` → `getKeysByIdStats`. */
function operationId(method: string, path: string): string {
  const words = path
    .replace(/^\/api\/v2/, '')
    .replaceAll('{', 'by-')
    .split(/[^A-Za-z0-9]+/)
  return words.reduce((id, word) => id + word.charAt(0).toUpperCase() + word.slice(1), method)
}
