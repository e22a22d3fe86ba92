/** Routes of the upstream accounts. */
import type { Gateway } from '../../gateway.ts'
import type { AdminApp } from '../app.ts'
import { accountCareRoutes } from './operations.ts'
import { accountReadRoutes } from './read.ts'
import { accountWriteRoutes } from './write.ts'

/** Registers the routes below `/accounts`. */
export function accountRoutes(app: AdminApp, gateway: Gateway): void {
  accountReadRoutes(app, gateway)
  accountWriteRoutes(app, gateway)
  accountCareRoutes(app, gateway)
}
