/** The administration API, mounted at /api/v2. */
import type { Gateway } from '../gateway.ts'
import { accountOperationRoutes } from './accounts/operation-routes.ts'
import { accountReadRoutes } from './accounts/read-routes.ts'
import { accountWriteRoutes } from './accounts/write-routes.ts'
import { type AdminApp, createAdminApp, requireAdmin } from './app.ts'
import { auditRoutes } from './audit/routes.ts'
import { keyLifecycleRoutes } from './keys/lifecycle-routes.ts'
import { keyReadRoutes } from './keys/read-routes.ts'
import { keyWriteRoutes } from './keys/write-routes.ts'
import { meRoute } from './own-key/routes.ts'
import { requestRoutes } from './requests/routes.ts'
import { loginRoute, sessionRoutes } from './session/routes.ts'

/** Every route of the administration API; all but the login and a key's own need a session. */
export function adminRoutes(gateway: Gateway): AdminApp {
  const app = createAdminApp()
  loginRoute(app, gateway)
  meRoute(app, gateway)
  requireAdmin(app, gateway)
  sessionRoutes(app, gateway)
  auditRoutes(app, gateway)
  keyReadRoutes(app, gateway)
  keyWriteRoutes(app, gateway)
  keyLifecycleRoutes(app, gateway)
  accountReadRoutes(app, gateway)
  accountWriteRoutes(app, gateway)
  accountOperationRoutes(app, gateway)
  requestRoutes(app, gateway)
  return app
}
