/** The administration API, mounted at /api/v2. */
import type { Gateway } from '../gateway.ts'
import { accountRoutes } from './accounts/routes.ts'
import { type AdminApp, createAdminApp, requireAdmin } from './app.ts'
import { auditRoutes } from './audit/routes.ts'
import { keyRoutes } from './keys/routes.ts'
import { meRoute } from './own-key/routes.ts'
import { requestRoute } from './requests/routes.ts'
import { loginRoute, sessionRoutes } from './session/routes.ts'

/** Every route of the administration API; all but the login and a key's own need a session. */
export function adminRoutes(gateway: Gateway): AdminApp {
  const app = createAdminApp()
  loginRoute(app, gateway)
  meRoute(app, gateway)
  requireAdmin(app, gateway)
  sessionRoutes(app, gateway)
  auditRoutes(app, gateway)
  keyRoutes(app, gateway)
  accountRoutes(app, gateway)
  requestRoute(app, gateway)
  return app
}
