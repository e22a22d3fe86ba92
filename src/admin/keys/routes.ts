/** Routes of the gateway keys. */
import type { Gateway } from '../../gateway.ts'
import type { AdminApp } from '../app.ts'
import { keyLifecycleRoutes } from './lifecycle.ts'
import { keyReadRoutes } from './read.ts'
import { keyWriteRoutes } from './write.ts'

/** Registers the routes below `/keys`. */
export function keyRoutes(app: AdminApp, gateway: Gateway): void {
  keyReadRoutes(app, gateway)
  keyWriteRoutes(app, gateway)
  keyLifecycleRoutes(app, gateway)
}
