/** Headers of the gateway's own answers: what browsers may do with them. Answers of the relay stay as they are. */
import type { MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import { secureHeaders } from 'hono/secure-headers'

const unused = {
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
}

const common = {
  ...unused,
  xFrameOptions: 'DENY',
  // Browsers obey it over https only. Subdomains may belong to others, and are left out.
  strictTransportSecurity: 'max-age=15552000',
} as const

/** For answers that are data: nothing in them may run, load or be framed. */
export const apiHeaders: MiddlewareHandler = secureHeaders({
  ...common,
  // What the page below has set stays.
  overwrite: false,
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
})

/** For the documentation page: its own script and style, and requests to this gateway. */
export const pageHeaders: MiddlewareHandler = secureHeaders({
  ...common,
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
})

/** Keeps answers of the administration out of every cache. */
export const noStore: MiddlewareHandler = async (c, next) => {
  await next()
  c.res.headers.set('cache-control', 'no-store')
}

/** Lets pages of these origins call; there are no cookies, so credentials are never asked for. */
export const allowOrigins = (origins: string[]): MiddlewareHandler =>
  cors({
    origin: origins,
    allowMethods: ['GET', 'POST', 'PUT', 'DELETE'],
    allowHeaders: ['authorization', 'content-type', 'if-match', 'x-api-key', 'x-request-id'],
    exposeHeaders: ['etag', 'retry-after', 'x-request-id'],
    maxAge: 600,
  })
