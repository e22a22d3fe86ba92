/** Serves relay requests, whichever way they reach the gateway: an error is answered in the dialect of the route. */
import { errorEvent } from '../domain/events.ts'
import { isUnmetered } from '../domain/operation.ts'
import { asGatewayError, GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { HttpRequest, RelayAnswer } from '../http-message.ts'
import { type RequestPlace, relay } from './pipeline.ts'
import type { RelayRoute } from './routes.ts'
import { serveUnmetered } from './unmetered/serve.ts'
import { serveSocket } from './websocket/open.ts'

export type RelayPlace = Omit<RequestPlace, 'onKey'>

/** Answers one request; never rejects. */
export type ServeRelay = (
  route: RelayRoute,
  request: HttpRequest,
  place: RelayPlace,
) => Promise<RelayAnswer>

/** @param isReady tells whether the host has prepared the store; before that, requests are refused. */
export function createRelay(gateway: Gateway, isReady: () => boolean): ServeRelay {
  const { observe, now } = gateway.runtime
  return async (route, request, place) => {
    const { requestId } = place
    let keyId: string | undefined
    const onKey = (id: string) => {
      keyId = id
    }
    try {
      if (!isReady()) throw starting()
      const serve = serverOf(route)
      return await serve(gateway, route, request, { ...place, onKey })
    } catch (error) {
      const answer = asGatewayError(error)
      // The route, not the path: a client may have put a key there.
      observe(errorEvent(answer, { requestId, route: route.path, keyId }))
      const response = route.dialect.errorResponse(answer, requestId, now())
      response.headers.set('x-request-id', requestId)
      return response
    }
  }
}

function serverOf({ isSocket, operation }: RelayRoute) {
  if (isSocket) return serveSocket
  return isUnmetered(operation) ? serveUnmetered : relay
}

export const starting = () =>
  new GatewayError('starting', 'The gateway is starting', { retryAfterSeconds: 1 })
