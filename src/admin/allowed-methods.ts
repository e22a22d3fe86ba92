/** Which methods a path can be asked with, for the answer to a wrong one (RFC 9110 §15.5.6). */
import { TrieRouter } from 'hono/router/trie-router'

/**
 * Makes the look-up over the routes of an application, on first use.
 * @returns the methods of the routes that match a path; none where there is no route.
 */
export function createAllowedMethods(
  routes: readonly { method: string; path: string }[],
): (path: string) => string[] {
  let router: TrieRouter<string> | undefined
  return (path) => {
    if (!router) {
      router = new TrieRouter()
      for (const route of routes) {
        // Middleware is registered for all methods.
        if (route.method !== 'ALL') router.add('ALL', route.path, route.method)
      }
    }
    const methods = new Set(router.match('ALL', path)[0].map(([method]) => method))
    if (methods.has('GET')) methods.add('HEAD')
    return [...methods].sort()
  }
}
