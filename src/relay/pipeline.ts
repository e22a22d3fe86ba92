/** The relay on one screen: authenticate → plan → admit → dispatch → gate → meter → settle. */

import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { HttpRequest, RelayAnswer } from '../http-message.ts'
import type { AcceptSocket } from '../message-socket.ts'
import type { Runtime } from '../runtime.ts'
import { acquireAccount } from './acquire-account.ts'
import { authenticate } from './authenticate.ts'
import { dispatch } from './dispatch.ts'
import { whileLeased } from './lease.ts'
import { permittedUse } from './permitted-use.ts'
import { readClientRequest } from './request/client-request.ts'
import { ledgerIdOf } from './request/ledger-id.ts'
import { respond } from './respond.ts'
import type { RelayRoute } from './routes.ts'
import { noteRefusal } from './settlement/note-refusal.ts'
import { startTrace } from './settlement/trace.ts'
import { sendKeepAlives } from './stream/keep-alive.ts'

/** What the application knows of a request: how those who answer and log its errors name it, and when it must end. */
export interface RequestPlace {
  /** Names the request in answers and logs; the ledger names it on its own. */
  requestId: string
  /** Gets the id of the gateway key as soon as that is known. */
  onKey: (keyId: string) => void
  /** Gets what is to be called when the host stops and can wait for the request no longer. */
  onStopping?: ((stop: () => void) => void) | undefined
  /** The id of the stored response that is asked for, as it stands in the path. */
  storedId?: string | undefined
  /** Accepts the client's WebSocket, where it asks for one and the host can. */
  acceptSocket?: AcceptSocket | undefined
}

/**
 * Serves one relay request.
 * @throws GatewayError that the caller is answered with; the request has no lease then.
 */
export function relay(
  gateway: Gateway,
  route: RelayRoute,
  request: HttpRequest,
  place: RequestPlace,
): Promise<RelayAnswer> {
  const answer = serve(gateway, route, request, place)
  keepAliveUntilSettled(gateway.runtime, request.signal, answer)
  return answer
}

async function serve(
  gateway: Gateway,
  route: RelayRoute,
  request: HttpRequest,
  { requestId, onKey, onStopping }: RequestPlace,
): Promise<RelayAnswer> {
  const { runtime, openSecrets } = gateway
  const { dialect, operation } = route
  const { REQUEST_DEADLINE_SECONDS, STREAM_KEEPALIVE_SECONDS } = runtime.config
  const received = { atMs: runtime.now(), monotonicMs: runtime.monotonicMs() }
  const { headers } = request
  let keyId: string | undefined
  const principal = await authenticate(gateway.catalog, headers, ({ apiKey }) => {
    keyId = apiKey?.record.id
    if (keyId !== undefined) onKey(keyId)
    const asking = { apiKey: apiKey?.record, headers, nowMs: runtime.now() }
    permittedUse(asking, gateway.platforms.inPool(route.poolId))
  }).catch((refusal: unknown) => {
    const ledgerId = ledgerIdOf({ headers, requestId }, received.atMs)
    const trace = startTrace(requestId, null, received)
    const { poolId } = route
    if (keyId !== undefined) {
      noteRefusal(gateway, { ledgerId, requestId, poolId, keyId, model: '', trace }, refusal)
    }
    throw refusal
  })
  const { client, abortClient, dropBody } = await readClientRequest(gateway, request, {
    requestId,
    dialect,
  })
  const trace = startTrace(requestId, client.hints.stream, received)
  const deadlineMonotonicMs = received.monotonicMs + REQUEST_DEADLINE_SECONDS * 1000
  const { currentAccount } = gateway.catalog
  const context = {
    runtime,
    openSecrets,
    currentAccount,
    dialect,
    operation,
    client,
    deadlineMonotonicMs,
  }
  const answer = acquireAccount(gateway, { route, client, principal, trace })
    .then((admission) =>
      whileLeased(gateway, admission.plan, () => dispatch(gateway, context, admission)),
    )
    .finally(dropBody)
    .then((exchange) => respond(gateway, client, exchange))
  keepAliveUntilSettled(runtime, client.signal, answer)
  const unlessStopped = endWhenStopping(answer, onStopping, abortClient)
  if (!client.hints.stream) return unlessStopped
  const intervalMs = STREAM_KEEPALIVE_SECONDS * 1000
  return sendKeepAlives(runtime, unlessStopped, {
    dialect,
    requestId,
    keyId,
    intervalMs,
    abortClient,
  })
}

/**
 * The answer, or the error `stopping` if the host stops before there is one. Upstream the request ends
 * as if its client had gone; a stream that has begun ends with the same error as an event.
 */
function endWhenStopping(
  answer: Promise<RelayAnswer>,
  onStopping: RequestPlace['onStopping'],
  abortClient: (reason: GatewayError) => void,
): Promise<RelayAnswer> {
  if (!onStopping) return answer
  return new Promise((resolve, reject) => {
    answer.then(resolve, reject)
    onStopping(() => {
      const message = 'The gateway is stopping; repeat the request'
      const error = new GatewayError('stopping', message, { retryAfterSeconds: 1 })
      reject(error)
      abortClient(error)
    })
  })
}

/**
 * workerd drops a request when its client goes, unless it is handed work to wait for in that very
 * moment; and what the client leaves behind is settled later than it is noticed.
 */
function keepAliveUntilSettled(
  { defer, dropsAbandoned }: Runtime,
  signal: AbortSignal,
  work: Promise<unknown>,
): void {
  if (!dropsAbandoned) return
  const settled = work.catch(() => {})
  const keepAlive = () => defer(settled)
  signal.addEventListener('abort', keepAlive, { once: true })
  settled.then(() => signal.removeEventListener('abort', keepAlive))
}
