/** The frame of the administration API: who is asking, and what becomes of faults. */
import { OpenAPIHono } from '@hono/zod-openapi'
import type { RequestIdVariables } from 'hono/request-id'
import type { Actor } from '../domain/actor.ts'
import type { Gateway } from '../gateway.ts'
import { refuseInvalid } from './input.ts'
import { refuseRevoked, type Session, verifyToken } from './session/token.ts'

export interface AdminVariables extends RequestIdVariables {
  /** Who is calling. */
  actor: Actor
  /** The session of the request. */
  session: Session
}
export type AdminApp = OpenAPIHono<{ Variables: AdminVariables }>

/** An empty app; what its handlers throw is for the parent to render. */
export function createAdminApp(): AdminApp {
  const app: AdminApp = new OpenAPIHono({ defaultHook: refuseInvalid })
  app.openAPIRegistry.registerComponent('securitySchemes', 'Bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The token that `POST /api/v2/auth/admin/login` answers with',
  })
  return app
}

/** Demands a session for every route that is registered after it. */
export function requireAdmin(app: AdminApp, gateway: Gateway): void {
  app.use('*', async (c, next) => {
    const session = await verifyToken(gateway.runtime, c.req.header('authorization'))
    await refuseRevoked(gateway, session)
    c.set('session', session)
    c.set('actor', { kind: 'admin', username: session.username, role: 'owner' })
    await next()
  })
}
