/** The application: mounts every route, names every request, and puts every error in its envelope. */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { type RequestIdVariables, requestId } from 'hono/request-id'
import { routePath } from 'hono/route'
import { v7 as uuidv7 } from 'uuid'
import { docsRoutes } from './admin/docs/routes.ts'
import { adminRoutes } from './admin/routes.ts'
import { allowOrigins, apiHeaders, noStore } from './admin/security.ts'
import { anthropic } from './dialects/anthropic.ts'
import { GatewayError, ownFaults } from './errors.ts'
import type { Gateway } from './gateway.ts'
import { relay } from './relay/pipeline.ts'

export { createGateway } from './gateway.ts'
export type AppVariables = RequestIdVariables
type App = Context<{ Variables: AppVariables }>

const adminBodyLimitBytes = 1024 * 1024

export function createApp(gateway: Gateway) {
  const { config, log, now } = gateway.runtime
  const app = new Hono<{ Variables: AppVariables }>()
  app.use(requestId({ limitLength: 128, generator: () => uuidv7({ msecs: now() }) }))

  for (const path of ['/api/v1/messages', '/v1/messages']) {
    app.post(path, (c) => relay(gateway, anthropic, c.req.raw, c.get('requestId')))
  }

  // Routes of the relay stand above: what follows neither delays nor changes an answer of theirs.
  app.use(apiHeaders)
  if (config.CORS_ORIGINS.length > 0) {
    for (const path of ['/health', '/api/v2/*']) app.use(path, allowOrigins(config.CORS_ORIGINS))
  }
  // Claude Code asks whether anything is there, without a credential.
  for (const path of ['/', '/api/hello']) {
    app.get(path, (c) =>
      c.text('Claude Relay Service. The administration is described at /docs.\n'),
    )
  }
  app.get('/health', (c) => health(gateway, c))

  app.use('/api/v2/*', noStore)
  app.use('/api/v2/*', bodyLimit({ maxSize: adminBodyLimitBytes, onError: refuseLarge }))
  const admin = adminRoutes(gateway)
  app.route('/api/v2', admin)
  app.route('/', docsRoutes(admin))

  app.notFound((c) => answerError(c, new GatewayError('not_found', `No route ${c.req.path}`)))
  app.onError((error, c) => {
    const known = error instanceof GatewayError
    const answer = known ? error : new GatewayError('internal', 'The gateway failed')
    // The route, not the path: somebody may have put a key there.
    const fields = { requestId: c.get('requestId'), route: routePath(c), code: answer.code }
    const reason = String(known ? (error.cause ?? error) : error)
    // What accounts and vendors do is no fault of the gateway, and has its own lines.
    if (ownFaults.has(answer.code)) log.error('failed', { ...fields, error: reason })
    else log.info('refused', fields)
    return answerError(c, answer)
  })
  return app
}

function refuseLarge(): never {
  const message = `The request body is larger than ${adminBodyLimitBytes} bytes`
  throw new GatewayError('body_too_large', message)
}

/** The error in the dialect of the route: admin under /api/v2, else the vendor's. */
function answerError(c: App, error: GatewayError): Response {
  const id = c.get('requestId')
  if (!c.req.path.startsWith('/api/v2/')) {
    const response = anthropic.errorResponse(error, id)
    response.headers.set('x-request-id', id)
    return response
  }
  const { code, message, issues, retryAfterSeconds, status } = error
  if (retryAfterSeconds !== undefined) c.header('retry-after', String(retryAfterSeconds))
  // RFC 9110 §11.6.1 wants the challenge with every 401.
  if (status === 401) c.header('www-authenticate', 'Bearer')
  return Response.json(
    { error: { code, message, ...(issues && { issues }) } },
    { status, headers: { ...Object.fromEntries(c.res.headers), 'x-request-id': id } },
  )
}

/** 200 with the store's latency, or 503 when it does not answer in time. */
async function health(gateway: Gateway, c: App): Promise<Response> {
  const { runtime } = gateway
  const startedMs = runtime.now()
  try {
    await runtime.redis.ping()
    return c.json({ status: 'ok', store: { latencyMs: runtime.now() - startedMs } })
  } catch {
    return c.json({ status: 'unavailable', store: { error: 'The store does not answer' } }, 503)
  }
}
