/** Each route declares who may call it; here, and only here, that becomes authentication and documentation. */
import { createRoute, type RouteConfig } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { refused } from './answers.ts'
import type { AdminVariables } from './app.ts'
import type { AdminCaller, KeyCaller } from './authentication.ts'
import { checkBody, type DeclaredBody } from './input.ts'
import type { Permission } from './permissions.ts'

/** A route without what its access adds: credentials, permission and the refusals for them. */
type Config<Path extends string> = Omit<RouteConfig, 'path' | 'security' | 'middleware'> & {
  path: Path
}
type Middleware<Caller> = MiddlewareHandler<{ Variables: AdminVariables & Caller }>

const refusals = { 401: refused[401], 403: refused[403], 503: refused[503] }

/** A route for administrators; `permission` is the one that its verb requires. */
export const adminRoute = <Path extends string, Route extends Config<Path>>(
  permission: Permission,
  route: Route & { path: Path },
) =>
  createRoute({
    ...route,
    'x-permission': permission,
    security: [{ Bearer: [] }],
    middleware: authenticateAdmin(route.request?.body),
    responses: { ...route.responses, ...refusals },
  })

/** A route for holders of a gateway key; `permission` is the one that its verb requires. */
export const gatewayKeyRoute = <Path extends string, Route extends Config<Path>>(
  permission: Permission,
  route: Route & { path: Path },
) =>
  createRoute({
    ...route,
    'x-permission': permission,
    security: [{ GatewayKey: [] }],
    middleware: authenticateGatewayKey(route.request?.body),
    responses: { ...route.responses, ...refusals },
  })

/** A route that needs no credential. */
export const publicRoute = <Path extends string, Route extends Config<Path>>(
  route: Route & { path: Path },
) =>
  createRoute({
    ...route,
    middleware: authenticateNobody(route.request?.body),
    responses: { ...route.responses, 503: refused[503] },
  })

const authenticateAdmin =
  (body: DeclaredBody): Middleware<AdminCaller> =>
  async (c, next) => {
    const { actor, session } = await c.get('authentication').admin(c.req.raw.headers)
    c.set('actor', actor)
    c.set('session', session)
    await checkBody(c, body)
    await next()
  }

const authenticateGatewayKey =
  (body: DeclaredBody): Middleware<KeyCaller> =>
  async (c, next) => {
    const onKey = (keyId: string) => c.set('keyId', keyId)
    const { actor, apiKey } = await c.get('authentication').gatewayKey(c.req.raw.headers, onKey)
    c.set('actor', actor)
    c.set('apiKey', apiKey)
    await checkBody(c, body)
    await next()
  }

const authenticateNobody =
  (body: DeclaredBody): Middleware<object> =>
  async (c, next) => {
    await checkBody(c, body)
    await next()
  }
