/** Who is calling: every verb of the administration is told, and checks what this caller may do. */

/** What an administrator is; what each role may do stands in `admin/permissions.ts`. */
export type AdminRole = 'owner'

export type Actor =
  | { kind: 'admin'; username: string; role: AdminRole }
  /** The holder of a gateway key. */
  | { kind: 'api_key'; keyId: string }
  /** The gateway itself, for example at its start. */
  | { kind: 'system'; name: string }

/** The name that records, audit entries and the log keep: of an administrator the username. */
export function actorName(actor: Actor): string {
  switch (actor.kind) {
    case 'admin':
      return actor.username
    case 'api_key':
      return `api_key:${actor.keyId}`
    case 'system':
      return `system:${actor.name}`
  }
}
