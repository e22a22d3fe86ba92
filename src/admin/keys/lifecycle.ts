/** Routes of a gateway key's life: deleted, restored, given a new secret. */
import { createRoute } from '@hono/zod-openapi'
import type { Gateway } from '../../gateway.ts'
import { etag, refused, tagged } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { IdPath } from '../input.ts'
import { removeApiKey, restoreApiKey, rotateApiKey } from './edit.ts'
import { ApiKeyView, IssuedApiKeyView, security, tags, view } from './view.ts'

const refusals = { 401: refused[401], 404: refused[404], 409: refused[409], 503: refused[503] }

const remove = createRoute({
  method: 'delete',
  path: '/keys/{id}',
  tags,
  security,
  summary: 'Delete a key',
  description: 'Its record and its books stay. Deleting it again changes nothing.',
  request: { params: IdPath },
  responses: { 200: tagged(ApiKeyView, 'The deleted key'), ...refusals },
})

const restore = createRoute({
  method: 'post',
  path: '/keys/{id}/restore',
  tags,
  security,
  summary: 'Restore a deleted key',
  description: 'The same secret works again. A key that is not deleted is left as it is.',
  request: { params: IdPath },
  responses: { 200: tagged(ApiKeyView, 'The key as it is now'), ...refusals },
})

const rotate = createRoute({
  method: 'post',
  path: '/keys/{id}/rotate',
  tags,
  security,
  summary: 'Give a key a new secret',
  description:
    'The old secret is refused from its next request on. Settings, limits in use and books stay.',
  request: { params: IdPath },
  responses: { 200: tagged(IssuedApiKeyView, 'The key with its new secret'), ...refusals },
})

/** Registers the routes that end a key or begin it anew. */
export function keyLifecycleRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(remove, async (c) => {
    const { id } = c.req.valid('param')
    const { record, revision } = await removeApiKey(gateway, id, c.get('username'))
    c.header('etag', etag(revision))
    return c.json(view(record), 200)
  })
  app.openapi(restore, async (c) => {
    const { id } = c.req.valid('param')
    const { record, revision } = await restoreApiKey(gateway, id, c.get('username'))
    c.header('etag', etag(revision))
    return c.json(view(record), 200)
  })
  app.openapi(rotate, async (c) => {
    const { id } = c.req.valid('param')
    const { stored, plain } = await rotateApiKey(gateway, id, c.get('username'))
    c.header('etag', etag(stored.revision))
    return c.json({ ...view(stored.record), key: plain }, 200)
  })
}
