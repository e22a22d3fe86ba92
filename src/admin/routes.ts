/** The administration API, mounted at /api/v2. */
import type { Gateway } from '../gateway.ts'
import { accountRoutes } from './accounts.ts'
import { type AdminApp, createAdminApp, requireAdmin } from './app.ts'
import { loginRoute, sessionRoutes } from './auth.ts'
import { keyRoutes } from './keys.ts'

/** Every route of the administration API; all but the login need a session. */
export function adminRoutes(gateway: Gateway): AdminApp {
  const app = createAdminApp()
  loginRoute(app, gateway)
  requireAdmin(app, gateway)
  sessionRoutes(app)
  keyRoutes(app, gateway)
  accountRoutes(app, gateway)
  return app
}
