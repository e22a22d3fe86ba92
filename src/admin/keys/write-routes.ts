/** Routes that create gateway keys, one or many, and change their settings. */
import { z } from '@hono/zod-openapi'
import { ApiKeySettings } from '../../catalog/api-key.ts'
import type { Gateway } from '../../gateway.ts'
import { adminRoute } from '../access.ts'
import { etag, refused, tagged } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { IdPath, IfMatch, revisionsOf, UpdatedAt } from '../input.ts'
import { patchOf } from '../patch.ts'
import { createApiKeys } from './create.ts'
import type { IssuedApiKey } from './secret.ts'
import { updateApiKey } from './update.ts'
import { ApiKeyView, IssuedApiKeyView, tags, view } from './view.ts'

const Creation = ApiKeySettings.extend({
  count: z.int().min(1).max(100).exactOptional().openapi({
    description: 'Creates this many keys, named "name 1" and so on, and answers with a list',
  }),
}).openapi('ApiKeyCreation', {
  example: { name: 'alice', permissions: 'claude', concurrencyLimit: 3 },
})

const Edit = patchOf(ApiKeySettings)
  .extend({ updatedAt: UpdatedAt })
  .openapi('ApiKeyEdit', { example: { isActive: false } })

const Batch = z.object({ data: z.array(IssuedApiKeyView) }).openapi('ApiKeyBatch')

const create = adminRoute('keys:write', {
  method: 'post',
  path: '/keys',
  tags,
  summary: 'Create a key, or up to 100 at once',
  request: { body: { required: true, content: { 'application/json': { schema: Creation } } } },
  responses: {
    201: tagged(z.union([IssuedApiKeyView, Batch]), 'The new key; with `count` a list of them'),
    400: refused[400],
  },
})

const update = adminRoute('keys:write', {
  method: 'put',
  path: '/keys/{id}',
  tags,
  summary: 'Change settings of a key',
  description:
    'Only the given fields change. With `If-Match` or `updatedAt` the edit is refused when the key ' +
    'was changed since; without them the last edit wins.',
  request: {
    params: IdPath,
    headers: IfMatch,
    body: { required: true, content: { 'application/json': { schema: Edit } } },
  },
  responses: {
    200: tagged(ApiKeyView, 'The key as it is now'),
    400: refused[400],
    404: refused[404],
    409: refused[409],
  },
})

/** Registers the routes that set a key's fields. */
export function keyWriteRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(create, async (c) => {
    const { count, ...settings } = c.req.valid('json')
    const issued = await createApiKeys(gateway, { actor: c.get('actor'), settings, count })
    const [first] = issued
    if (count !== undefined || !first) return c.json({ data: issued.map(shown) }, 201)
    c.header('etag', etag(first.stored.revision))
    return c.json(shown(first), 201)
  })
  app.openapi(update, async (c) => {
    const { updatedAt, ...patch } = c.req.valid('json')
    const precondition = { revisions: revisionsOf(c.req.valid('header')['if-match']), updatedAt }
    const keyId = c.req.valid('param').id
    const edit = { actor: c.get('actor'), keyId, patch, precondition }
    const { record, revision } = await updateApiKey(gateway, edit)
    c.header('etag', etag(revision))
    return c.json(view(record), 200)
  })
}

const shown = ({ stored, plain }: IssuedApiKey) => ({ ...view(stored.record), key: plain })
