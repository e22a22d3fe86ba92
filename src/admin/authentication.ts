/** Authentication of the administration: from the headers of a request to its caller. */
import type { ApiKey } from '../catalog/api-key.ts'
import type { Snapshot } from '../catalog/catalog.ts'
import type { Actor } from '../domain/actor.ts'
import type { Gateway } from '../gateway.ts'
import { authenticate } from '../relay/authenticate.ts'
import { usableKey } from '../relay/permitted-use.ts'
import { refuseRevoked, type Session, verifyToken } from './session/token.ts'

/** An administrator with a session. */
export interface AdminCaller {
  actor: Actor
  session: Session
}

/** The holder of a gateway key, with the key as the store has it now. */
export interface KeyCaller {
  actor: Actor
  apiKey: ApiKey
}

/** The ways to tell who is calling; which one a route takes, it declares. */
export interface Authentication {
  /** @throws GatewayError `invalid_credentials` without a valid session. */
  admin(headers: Headers): Promise<AdminCaller>
  /**
   * @param onKey is told which key it is as soon as that is known, before its state is checked.
   * @throws GatewayError `invalid_api_key`, `key_disabled`, `key_expired`, as the relay does.
   */
  gatewayKey(headers: Headers, onKey: (keyId: string) => void): Promise<KeyCaller>
}

export function createAuthentication(gateway: Gateway): Authentication {
  const { catalog, runtime } = gateway
  return {
    async admin(headers) {
      const session = await verifyToken(runtime, headers.get('authorization') ?? undefined)
      await refuseRevoked(gateway, session)
      return { actor: { kind: 'admin', username: session.username, role: 'owner' }, session }
    },
    async gatewayKey(headers, onKey) {
      const check = ({ apiKey }: Snapshot) => {
        if (apiKey) onKey(apiKey.record.id)
        usableKey(apiKey?.record, runtime.now())
      }
      const { snapshot, isFresh } = await authenticate(catalog, headers, check)
      const fresh = isFresh ? snapshot : await catalog.load(snapshot.digest)
      const apiKey = usableKey(fresh.apiKey?.record, runtime.now())
      return { actor: { kind: 'api_key', keyId: apiKey.id }, apiKey }
    },
  }
}
