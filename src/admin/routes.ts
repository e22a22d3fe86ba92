/** The administration API, mounted at /api/v2. */
import type { Gateway } from '../gateway.ts'
import { accountOperationRoutes } from './accounts/operation-routes.ts'
import { accountReadRoutes } from './accounts/read-routes.ts'
import { accountWriteRoutes } from './accounts/write-routes.ts'
import { type AdminApp, createAdminApp } from './app.ts'
import { auditRoutes } from './audit/routes.ts'
import { type Authentication, createAuthentication } from './authentication.ts'
import { keyLifecycleRoutes } from './keys/lifecycle-routes.ts'
import { keyReadRoutes } from './keys/read-routes.ts'
import { keyWriteRoutes } from './keys/write-routes.ts'
import { ownKeyRoutes } from './own-key/routes.ts'
import { priceRoutes } from './prices/routes.ts'
import { requestRoutes } from './requests/routes.ts'
import { sessionRoutes } from './session/routes.ts'

/** Every group of routes; their order does not matter, as each route declares its own access. */
export const routeGroups: readonly ((app: AdminApp, gateway: Gateway) => void)[] = [
  sessionRoutes,
  keyReadRoutes,
  keyWriteRoutes,
  keyLifecycleRoutes,
  accountReadRoutes,
  accountWriteRoutes,
  accountOperationRoutes,
  priceRoutes,
  requestRoutes,
  auditRoutes,
  ownKeyRoutes,
]

export interface AdminOptions {
  /** By default that of the gateway: sessions and gateway keys. */
  authentication?: Authentication
  groups?: typeof routeGroups
}

/** Every route of the administration API. A path that no route has is for administrators, too. */
export function adminRoutes(
  gateway: Gateway,
  { authentication = createAuthentication(gateway), groups = routeGroups }: AdminOptions = {},
): AdminApp {
  const app = createAdminApp(authentication)
  for (const register of groups) register(app, gateway)
  app.all('*', async (c) => {
    await authentication.admin(c.req.raw.headers)
    return c.notFound()
  })
  return app
}
