/** Permissions of the administration: which there are, who has which, and the check. */
import type { Actor, AdminRole } from '../domain/actor.ts'
import { GatewayError } from '../errors.ts'

export type Permission =
  | 'keys:read'
  | 'keys:write'
  | 'usage:read'
  | 'accounts:read'
  | 'accounts:write'
  /** Sends a real request upstream, which the vendor may charge. */
  | 'accounts:test'
  | 'prices:read'
  | 'prices:write'
  | 'requests:read'
  | 'audit:read'
  | 'admins:write'
  /** The session of the caller: who it is, its end, the own password. */
  | 'session:read'
  | 'session:write'
  /** The gateway key of the caller. */
  | 'own_key:read'

const rolePermissions: Record<AdminRole, ReadonlySet<Permission>> = {
  owner: new Set([
    'keys:read',
    'keys:write',
    'usage:read',
    'accounts:read',
    'accounts:write',
    'accounts:test',
    'prices:read',
    'prices:write',
    'requests:read',
    'audit:read',
    'admins:write',
    'session:read',
    'session:write',
  ]),
}
const keyHolderPermissions: ReadonlySet<Permission> = new Set(['own_key:read'])
const systemPermissions: ReadonlySet<Permission> = new Set(['admins:write'])

function permissionsOf(actor: Actor): ReadonlySet<Permission> {
  switch (actor.kind) {
    case 'admin':
      return rolePermissions[actor.role]
    case 'api_key':
      return keyHolderPermissions
    case 'system':
      return systemPermissions
  }
}

/** Called by every verb, before anything else. @throws GatewayError `not_permitted` */
export function requirePermission(actor: Actor, permission: Permission): void {
  if (permissionsOf(actor).has(permission)) return
  throw new GatewayError('not_permitted', `This needs the permission "${permission}"`)
}
