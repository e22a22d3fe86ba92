/** The application: mounts every route, names every request, and puts every error in its envelope. */
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { RequestIdVariables } from 'hono/request-id'
import { routePath } from 'hono/route'
import { createAllowedMethods } from './admin/allowed-methods.ts'
import { docsRoutes } from './admin/docs/routes.ts'
import { createHealthCheck } from './admin/health.ts'
import { mountClientUsage } from './admin/own-key/client-usage.ts'
import { adminRoutes } from './admin/routes.ts'
import { allowOrigins, apiHeaders, noStore } from './admin/security.ts'
import { setupRoutes } from './admin/setup/routes.ts'
import { anthropic } from './dialects/anthropic/messages.ts'
import type { Dialect } from './dialects/dialect.ts'
import { openaiResponses } from './dialects/openai/responses.ts'
import { errorEvent } from './domain/events.ts'
import { asGatewayError, GatewayError } from './errors.ts'
import type { Gateway } from './gateway.ts'
import { asResponse } from './http-message.ts'
import { createBasePaths } from './relay/base-path.ts'
import { mountModels } from './relay/models/routes.ts'
import { mountProbes } from './relay/probes.ts'
import { clientClosed } from './relay/request/client-request.ts'
import { requestIdOf } from './relay/request/request-id.ts'
import { type RelayRoute, relayRoutes } from './relay/routes.ts'
import { createRelay, type RelayPlace, starting } from './relay/serve.ts'

export { createGateway } from './gateway.ts'
export interface AppVariables extends RequestIdVariables {
  /** Makes the answer to an error on this route; without one, errors speak Anthropic Messages. */
  errorEnvelope?: ErrorEnvelope
  /** The gateway key of the request, once it is known. */
  keyId?: string
}
/** What a host lends for each request. */
type AppBindings = Pick<RelayPlace, 'onStopping' | 'acceptSocket'>
type AppEnv = { Variables: AppVariables; Bindings: AppBindings }
type App = Context<AppEnv>
type ErrorEnvelope = (c: App, error: GatewayError) => Response

const adminBodyLimitBytes = 1024 * 1024

/**
 * @param options.routes of the relay; a request below one of them gets errors in its dialect.
 * @param options.isReady tells whether the host has prepared the store; before that, only /health and /livez are served.
 */
export function createApp(
  gateway: Gateway,
  options: { routes?: readonly RelayRoute[]; isReady?: () => boolean } = {},
) {
  const { routes = relayRoutes, isReady = () => true } = options
  const { config, observe, now } = gateway.runtime
  const basePaths = createBasePaths(routes)
  const relayErrors =
    (dialect: Dialect): ErrorEnvelope =>
    (c, error) => {
      const id = c.get('requestId')
      const response = dialect.errorResponse(error, id, now())
      response.headers.set('x-request-id', id)
      return response
    }
  const unknownRouteError = relayErrors(anthropic)
  /** The error in the envelope of the route that was asked for. */
  const answerError: ErrorEnvelope = (c, error) =>
    (c.get('errorEnvelope') ?? unknownRouteError)(c, error)
  const app = new Hono<AppEnv>({ getPath: basePaths.getPath })
  app.use((c, next) => {
    const requestId = requestIdOf(c.req.raw.headers, now())
    c.set('requestId', requestId)
    c.header('x-request-id', requestId)
    return next()
  })
  app.use('/openai/*', errorsAs(relayErrors(openaiResponses)))
  const onceReady = refuseUntil(isReady)
  for (const route of routes) {
    app.use(`${route.path}/*`, errorsAs(relayErrors(route.dialect)), onceReady)
  }
  app.use('/api/v2/*', errorsAs(adminError))

  const serveRelay = createRelay(gateway, isReady)
  for (const route of routes) {
    app.on(route.method ?? 'POST', route.path, async (c) => {
      const { onStopping, acceptSocket } = c.env ?? {}
      const requestId = c.get('requestId')
      const place = { requestId, onStopping, acceptSocket, storedId: c.req.param('id') }
      return asResponse(await serveRelay(route, c.req.raw, place))
    })
  }

  // The routes of the relay come first, so that what follows neither delays nor changes their answers.
  app.use(apiHeaders)
  if (config.CORS_ORIGINS.length > 0) {
    for (const path of ['/health', '/api/v2/*']) app.use(path, allowOrigins(config.CORS_ORIGINS))
  }
  app.use('/api/v2/*', noStore)
  app.use(onceReady)
  mountModels(app, gateway)
  mountClientUsage(app, gateway)
  mountProbes(app)
  // On Node the store is prepared by the time it is asked. A Worker prepares nothing before its first
  // request: the first login makes the admin, each write of a credential checks the sealing key, and
  // admissions sweep expired leases.
  const checkHealth = createHealthCheck(gateway)
  app.get('/health', async (c) => {
    if (!isReady()) return c.json({ status: 'starting' }, 503, { 'retry-after': '1' })
    const health = await checkHealth()
    return c.json(health, health.status === 'ok' ? 200 : 503)
  })
  app.get('/livez', (c) => c.json({ status: 'ok' }))

  app.use('/api/v2/*', limitBody)
  const admin = adminRoutes(gateway)
  app.route('/api/v2', admin)
  app.route('/', docsRoutes(admin))
  app.route('/', setupRoutes(gateway))

  const allowedMethods = createAllowedMethods(app.routes)
  app.notFound((c) => {
    const { method, path } = c.req
    const allowed = allowedMethods(path)
    if (allowed.length === 0 || allowed.includes(method)) {
      const meant = basePaths.meant(path)
      const hint = meant === undefined ? '' : `; the relay is at ${meant} and /api${meant}`
      return answerError(c, new GatewayError('not_found', `No route ${path}${hint}`))
    }
    const allow = allowed.join(', ')
    const message = `${path} cannot be asked with ${method}, only with ${allow}`
    const answer = answerError(c, new GatewayError('method_not_allowed', message))
    answer.headers.set('allow', allow)
    return answer
  })
  app.onError((error, c) => {
    const answer = asGatewayError(error)
    const { requestId, keyId } = c.var
    // The route, not the path: a client may have put a key there.
    observe(errorEvent(answer, { requestId, route: routePath(c), keyId }))
    return answerError(c, answer)
  })
  return app
}

const readWithin = bodyLimit({ maxSize: adminBodyLimitBytes, onError: refuseLarge })

/** Refuses a body that is too large; it has to read one whose length is not declared. */
const limitBody: MiddlewareHandler<AppEnv> = async (c, next) => {
  let isRead = false
  const proceed = () => {
    isRead = true
    return next()
  }
  try {
    return await readWithin(c, proceed)
  } catch (error) {
    throw !isRead && c.req.raw.signal.aborted ? clientClosed() : error
  }
}

function refuseLarge(): never {
  const message = `The request body is larger than ${adminBodyLimitBytes} bytes`
  throw new GatewayError('body_too_large', message)
}

/** Makes errors on the routes that it is used for speak like this. */
const errorsAs =
  (envelope: ErrorEnvelope): MiddlewareHandler<AppEnv> =>
  (c, next) => {
    c.set('errorEnvelope', envelope)
    return next()
  }

const adminError: ErrorEnvelope = (c, error) => {
  const { code, message, issues, retryAfterSeconds, status } = error
  if (retryAfterSeconds !== undefined) c.header('retry-after', String(retryAfterSeconds))
  // RFC 9110 §11.6.1 requires the challenge with every 401.
  if (status === 401) c.header('www-authenticate', 'Bearer')
  const headers = { ...Object.fromEntries(c.res.headers), 'x-request-id': c.get('requestId') }
  return Response.json({ error: { code, message, ...(issues && { issues }) } }, { status, headers })
}

/** Refuses everything but /health and /livez with `starting`, and asks to repeat soon. */
const refuseUntil =
  (isReady: () => boolean): MiddlewareHandler =>
  (c, next) => {
    if (isReady() || c.req.path === '/health' || c.req.path === '/livez') return next()
    throw starting()
  }
