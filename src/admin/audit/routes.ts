/** The route of the audit trail. */
import { z } from '@hono/zod-openapi'
import type { Gateway } from '../../gateway.ts'
import { adminRoute } from '../access.ts'
import { answer, pageOf, refused } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { PageQuery } from '../input.ts'
import { AuditEntry } from './entry.ts'
import { listAudit } from './list.ts'

const EntryView = z.object({ ...AuditEntry.shape }).openapi('AuditEntry', {
  example: {
    id: '019ac000-0000-7000-8000-000000000000',
    at: '2026-11-22T10:20:00.000Z',
    actor: 'admin',
    action: 'admin.password_changed',
    targetId: 'admin',
    before: null,
    after: null,
  },
})

const filter = (description: string) =>
  z.string().min(1).max(100).optional().openapi({ description })

const AuditQuery = PageQuery.extend({
  actor: filter('Only what this administrator did'),
  action: filter('Only this action, such as `api_key.created`'),
  targetId: filter('Only what was done to the record with this id'),
})

const list = adminRoute('audit:read', {
  method: 'get',
  path: '/audit',
  tags: ['Audit'],
  summary: 'List who changed what, newest first',
  description: 'A page may hold fewer than `limit`; only `nextCursor` says whether more follow.',
  request: { query: AuditQuery },
  responses: {
    200: answer(pageOf(EntryView), 'One page of the trail'),
    400: refused[400],
  },
})

/** Registers the route of the audit trail. */
export function auditRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(list, async (c) => {
    const { cursor, limit, ...filter } = c.req.valid('query')
    return c.json(await listAudit(gateway, { actor: c.get('actor'), cursor, limit, filter }), 200)
  })
}
