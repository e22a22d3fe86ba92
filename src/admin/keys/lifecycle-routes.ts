/** Routes that delete a gateway key, restore it and give it a new secret. */
import type { Gateway } from '../../gateway.ts'
import { adminRoute } from '../access.ts'
import { etag, refused, tagged } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { IdPath } from '../input.ts'
import { removeApiKey, restoreApiKey } from './remove.ts'
import { rotateApiKey } from './rotate.ts'
import { ApiKeyView, IssuedApiKeyView, tags, view } from './view.ts'

const refusals = { 404: refused[404], 409: refused[409] }

const remove = adminRoute('keys:write', {
  method: 'delete',
  path: '/keys/{id}',
  tags,
  summary: 'Delete a key',
  description: 'Its record and its usage stay. Deleting it again changes nothing.',
  request: { params: IdPath },
  responses: { 200: tagged(ApiKeyView, 'The deleted key'), ...refusals },
})

const restore = adminRoute('keys:write', {
  method: 'post',
  path: '/keys/{id}/restore',
  tags,
  summary: 'Restore a deleted key',
  description: 'The same secret works again. A key that is not deleted is left as it is.',
  request: { params: IdPath },
  responses: { 200: tagged(ApiKeyView, 'The key as it is now'), ...refusals },
})

const rotate = adminRoute('keys:write', {
  method: 'post',
  path: '/keys/{id}/rotate',
  tags,
  summary: 'Give a key a new secret',
  description:
    'The old secret is refused from its next request on. Settings, counters and usage stay.',
  request: { params: IdPath },
  responses: { 200: tagged(IssuedApiKeyView, 'The key with its new secret'), ...refusals },
})

/** Registers these routes. */
export function keyLifecycleRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(remove, async (c) => {
    const request = { actor: c.get('actor'), keyId: c.req.valid('param').id }
    const { record, revision } = await removeApiKey(gateway, request)
    c.header('etag', etag(revision))
    return c.json(view(record), 200)
  })
  app.openapi(restore, async (c) => {
    const request = { actor: c.get('actor'), keyId: c.req.valid('param').id }
    const { record, revision } = await restoreApiKey(gateway, request)
    c.header('etag', etag(revision))
    return c.json(view(record), 200)
  })
  app.openapi(rotate, async (c) => {
    const request = { actor: c.get('actor'), keyId: c.req.valid('param').id }
    const { stored, plain } = await rotateApiKey(gateway, request)
    c.header('etag', etag(stored.revision))
    return c.json({ ...view(stored.record), key: plain }, 200)
  })
}
