/** The frame of the administration API: who is asking, and what becomes of faults. */
import { OpenAPIHono } from '@hono/zod-openapi'
import type { RequestIdVariables } from 'hono/request-id'
import type { Gateway } from '../gateway.ts'
import { refuseInvalid } from './input.ts'
import { verifyToken } from './token.ts'

export interface AdminVariables extends RequestIdVariables {
  /** The administrator who is logged in. */
  username: string
}
export type AdminApp = OpenAPIHono<{ Variables: AdminVariables }>

/** An empty app; what its handlers throw is for the parent to render. */
export function createAdminApp(): AdminApp {
  const app: AdminApp = new OpenAPIHono({ defaultHook: refuseInvalid })
  app.openAPIRegistry.registerComponent('securitySchemes', 'Bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
  })
  return app
}

/** Demands a session for every route that is registered after it. */
export function requireAdmin(app: AdminApp, { runtime }: Gateway): void {
  app.use('*', async (c, next) => {
    // RFC 9110 §11.6.1 wants the challenge with every 401; it stays only on this one.
    c.header('www-authenticate', 'Bearer')
    c.set('username', await verifyToken(runtime, c.req.header('authorization')))
    c.header('www-authenticate', undefined)
    await next()
  })
}
