/** Finds the route of the relay that is meant when a client's base URL is written in another way. */
import { getPath } from 'hono/utils/url'
import type { RelayRoute } from './routes.ts'

/** What people put before the path of the vendor, in any order and also twice. */
const prefixes = new Set(['api', 'claude', 'anthropic', 'openai', 'v1'])
const maxPrefixes = 4
/** A longer path is left as it is. */
const maxLength = 256

/** What Claude Code asks of its base URL beside the relay, and where that is served. */
const probes = new Map([
  ['', '/'],
  ['hello', '/api/hello'],
  ['oauth/usage', '/api/oauth/usage'],
])

export interface BasePaths {
  /**
   * The path to route a request by, like Hono's own `getPath`: of the relay in its own spelling, when
   * slashes or the usual prefixes are doubled, added or left out. Any other path is returned as it
   * is, so that a proxy in front can rely on what it reads of the administration.
   */
  getPath(request: Request): string
  /** The route of the relay that a path stands for, as `getPath` finds it. */
  routeOf(path: string): RelayRoute | undefined
  /** The same for a WebSocket. */
  socketRouteOf(path: string): RelayRoute | undefined
  /** The path of the relay that was probably meant by one that has no route. */
  meant(path: string): string | undefined
}

/** @param routes of the relay; those below `/v1/` are found under other base URLs. */
export function createBasePaths(routes: readonly RelayRoute[]): BasePaths {
  const posted = routes.filter(({ method, path }) => method === undefined && !path.includes(':'))
  const known = new Map(posted.map((route) => [route.path, route]))
  const sockets = new Map(
    routes.filter(({ isSocket }) => isSocket).map((route) => [route.path, route]),
  )
  const tails = new Map(
    [...known.keys()].flatMap((path) => {
      const tail = /^\/v1\/(.+)$/.exec(path)?.[1]
      return tail === undefined ? [] : [[tail, path]]
    }),
  )
  const resolve = (path: string): string => {
    if (known.has(path) || path.length > maxLength) return path
    if (path === '/docs/') return '/docs'
    const segments = path.split('/').filter((segment) => segment !== '')
    const rest = segments.findIndex((segment) => !prefixes.has(segment))
    const start = rest < 0 ? segments.length : rest
    if (start > maxPrefixes) return path
    const tail = segments.slice(start).join('/')
    const before = segments.slice(0, start)
    // OpenAI's paths are served without a version as well, and no others below its name.
    const isOpenAi = before.includes('openai')
    const isMeant = isOpenAi ? known.has(`/openai/${tail}`) : before.includes('v1')
    return (isMeant ? tails.get(tail) : undefined) ?? probes.get(tail) ?? path
  }
  return {
    getPath: (request) => resolve(getPath(request)),
    routeOf: (path) => known.get(path) ?? known.get(resolve(path)),
    socketRouteOf: (path) => sockets.get(path) ?? sockets.get(resolve(path)),
    meant(path) {
      if (path.length > maxLength) return undefined
      const words = path
        .toLowerCase()
        .split('/')
        .filter((word) => word !== '')
      return [...tails].find(([tail]) => `/${words.join('/')}`.endsWith(`/${tail}`))?.[1]
    },
  }
}
