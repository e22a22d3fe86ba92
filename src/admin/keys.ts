/** Routes of the gateway keys and of what they have consumed. */
import { createRoute, z } from '@hono/zod-openapi'
import { type ApiKey, ApiKeySettings } from '../catalog/api-key.ts'
import { createApiKey, getApiKey, listApiKeys, removeApiKey } from '../catalog/api-keys.ts'
import type { Gateway } from '../gateway.ts'
import { answer, pageOf, refused } from './answers.ts'
import type { AdminApp } from './app.ts'
import { IdPath, jsonBody, PageQuery } from './input.ts'
import { KeyStats, readKeyStats } from './stats.ts'

const tags = ['Keys']
const security = [{ Bearer: [] }]

const ApiKeyView = z
  .object({
    ...ApiKeySettings.shape,
    id: z.uuid(),
    keyPreview: z.string(),
    createdAt: z.string(),
    updatedAt: z.string(),
    createdBy: z.string(),
    isDeleted: z.boolean(),
    deletedAt: z.string().nullable(),
    deletedBy: z.string().nullable(),
  })
  .openapi('ApiKey')

const CreatedApiKey = ApiKeyView.extend({
  key: z.string().openapi({ description: 'The key itself, shown this once' }),
}).openapi('CreatedApiKey')

const ApiKeyDetails = ApiKeyView.extend({
  activatedAt: z.string().nullable().openapi({ description: 'First use' }),
  lastUsedAt: z.string().nullable(),
}).openapi('ApiKeyDetails')

const create = createRoute({
  method: 'post',
  path: '/keys',
  tags,
  security,
  summary: 'Create a key',
  middleware: jsonBody,
  request: {
    body: { required: true, content: { 'application/json': { schema: ApiKeySettings } } },
  },
  responses: {
    201: answer(CreatedApiKey, 'The new key'),
    400: refused[400],
    401: refused[401],
    503: refused[503],
  },
})

const list = createRoute({
  method: 'get',
  path: '/keys',
  tags,
  security,
  summary: 'List keys, newest first',
  description: 'A page may hold fewer than `limit`; `nextCursor` alone tells whether more follow.',
  request: {
    query: PageQuery.extend({ includeDeleted: z.enum(['true', 'false']).default('false') }),
  },
  responses: {
    200: answer(pageOf(ApiKeyView), 'One page of keys'),
    400: refused[400],
    401: refused[401],
    503: refused[503],
  },
})

const get = createRoute({
  method: 'get',
  path: '/keys/{id}',
  tags,
  security,
  summary: 'Read a key, deleted or not',
  request: { params: IdPath },
  responses: {
    200: answer(ApiKeyDetails, 'The key'),
    401: refused[401],
    404: refused[404],
    503: refused[503],
  },
})

const stats = createRoute({
  method: 'get',
  path: '/keys/{id}/stats',
  tags,
  security,
  summary: 'Read what a key has consumed',
  request: { params: IdPath },
  responses: {
    200: answer(KeyStats, 'Requests, tokens and cost'),
    401: refused[401],
    404: refused[404],
    503: refused[503],
  },
})

const remove = createRoute({
  method: 'delete',
  path: '/keys/{id}',
  tags,
  security,
  summary: 'Delete a key',
  description: 'Its record and its books stay. Deleting it again changes nothing.',
  request: { params: IdPath },
  responses: {
    200: answer(ApiKeyView, 'The deleted key'),
    401: refused[401],
    404: refused[404],
    409: refused[409],
    503: refused[503],
  },
})

/** Registers the routes below `/keys`. */
export function keyRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(create, async (c) => {
    const { record, plain } = await createApiKey(gateway, c.req.valid('json'), c.get('username'))
    return c.json({ ...view(record), key: plain }, 201)
  })
  app.openapi(list, async (c) => {
    const { cursor, limit, includeDeleted } = c.req.valid('query')
    const request = { cursor, limit, includeDeleted: includeDeleted === 'true' }
    const { data, nextCursor } = await listApiKeys(gateway, request)
    return c.json({ data: data.map(view), nextCursor }, 200)
  })
  app.openapi(get, async (c) => {
    const { stored, use } = await getApiKey(gateway, c.req.valid('param').id)
    const activatedAt = toIso(use.activatedAtMs)
    return c.json({ ...view(stored.record), activatedAt, lastUsedAt: toIso(use.lastUsedAtMs) }, 200)
  })
  app.openapi(stats, async (c) => {
    const { stored } = await getApiKey(gateway, c.req.valid('param').id)
    return c.json(await readKeyStats(gateway, stored.record.id), 200)
  })
  app.openapi(remove, async (c) => {
    const record = await removeApiKey(gateway, c.req.valid('param').id, c.get('username'))
    return c.json(view(record), 200)
  })
}

function view(record: ApiKey): z.infer<typeof ApiKeyView> {
  const { digest, ...shown } = record
  return shown
}

const toIso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString())
