/** The Hono app of the administration API, still without routes. */
import { OpenAPIHono } from '@hono/zod-openapi'
import type { RequestIdVariables } from 'hono/request-id'
import type { Authentication } from './authentication.ts'
import { refuseInvalid } from './input.ts'

export interface AdminVariables extends RequestIdVariables {
  authentication: Authentication
  /** The gateway key of the caller, once it is known; the log names it. */
  keyId?: string
}
export type AdminApp = OpenAPIHono<{ Variables: AdminVariables }>

/** An app whose routes authenticate their callers in this way; the parent renders what they throw. */
export function createAdminApp(authentication: Authentication): AdminApp {
  const app: AdminApp = new OpenAPIHono({ defaultHook: refuseInvalid })
  app.openAPIRegistry.registerComponent('securitySchemes', 'Bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The token that `POST /api/v2/auth/admin/login` answers with',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'GatewayKey', {
    type: 'apiKey',
    in: 'header',
    name: 'x-api-key',
    description: 'A gateway key',
  })
  app.use('*', async (c, next) => {
    c.set('authentication', authentication)
    await next()
  })
  return app
}
