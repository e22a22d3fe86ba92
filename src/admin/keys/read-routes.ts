/** Routes that read gateway keys and what they have consumed. */
import { z } from '@hono/zod-openapi'
import { ApiKeySettings } from '../../catalog/api-key.ts'
import { toIso } from '../../dates.ts'
import type { Gateway } from '../../gateway.ts'
import { adminRoute } from '../access.ts'
import { answer, etag, pageOf, refused, tagged } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { Flag, IdPath, PageQuery } from '../input.ts'
import { getApiKey } from './get.ts'
import { apiKeyOrders, listApiKeys } from './list.ts'
import { getKeyStats, KeyStats } from './stats.ts'
import { ApiKeyDetails, ApiKeyView, tags, view } from './view.ts'

const ListQuery = PageQuery.extend({
  includeDeleted: Flag.optional(),
  isActive: Flag.optional(),
  permissions: ApiKeySettings.shape.permissions.unwrap().optional(),
  tag: z.string().trim().min(1).max(50).optional(),
  search: z.string().trim().min(1).max(100).optional().openapi({
    description: 'Part of the name, description, preview or a tag, in any case',
    example: 'team a',
  }),
  sort: z.enum(apiKeyOrders).default('-createdAt'),
})

const list = adminRoute('keys:read', {
  method: 'get',
  path: '/keys',
  tags,
  summary: 'List keys, newest first',
  description:
    'A page may hold fewer than `limit`, as at most 10,000 keys are read for it; only `nextCursor` ' +
    'says whether more follow. Up to 10,000 keys can be sorted by name.',
  request: { query: ListQuery },
  responses: {
    200: answer(pageOf(ApiKeyView), 'One page of keys'),
    400: refused[400],
  },
})

const get = adminRoute('keys:read', {
  method: 'get',
  path: '/keys/{id}',
  tags,
  summary: 'Read a key, deleted or not',
  request: { params: IdPath },
  responses: { 200: tagged(ApiKeyDetails, 'The key'), 404: refused[404] },
})

const stats = adminRoute('usage:read', {
  method: 'get',
  path: '/keys/{id}/stats',
  tags,
  summary: 'Read what a key has consumed',
  request: { params: IdPath },
  responses: { 200: answer(KeyStats, 'Requests, tokens and cost'), 404: refused[404] },
})

/** Registers the routes that change nothing. */
export function keyReadRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(list, async (c) => {
    const { cursor, limit, sort, includeDeleted = false, ...rest } = c.req.valid('query')
    const { isActive, permissions, tag, search } = rest
    const filter = { includeDeleted, isActive, permissions, tag, search }
    const request = { actor: c.get('actor'), cursor, limit, sort, filter }
    const { data, nextCursor } = await listApiKeys(gateway, request)
    return c.json({ data: data.map(view), nextCursor }, 200)
  })
  app.openapi(get, async (c) => {
    const request = { actor: c.get('actor'), keyId: c.req.valid('param').id }
    const { stored, use } = await getApiKey(gateway, request)
    c.header('etag', etag(stored.revision))
    const activatedAt = toIso(use.activatedAtMs)
    return c.json({ ...view(stored.record), activatedAt, lastUsedAt: toIso(use.lastUsedAtMs) }, 200)
  })
  app.openapi(stats, async (c) => {
    const request = { actor: c.get('actor'), keyId: c.req.valid('param').id }
    return c.json(await getKeyStats(gateway, request), 200)
  })
}
