/** The relay on one screen: authenticate → plan → admit → dispatch → gate → meter → settle. */

import type { Gateway } from '../gateway.ts'
import { place } from './acquire-account.ts'
import { authenticate } from './authenticate.ts'
import { dispatch } from './dispatch.ts'
import { readClientRequest } from './request/client-request.ts'
import { respond } from './respond.ts'
import type { RelayRoute } from './routes.ts'
import { startTrace } from './settlement/trace.ts'
import { holdOpen } from './stream/keep-alive.ts'

/**
 * Serves one relay request.
 * @param requestId names the request in answers and logs; the ledger names it on its own.
 * @throws GatewayError whatever the caller has to be told; nothing stays taken then.
 */
export async function relay(
  gateway: Gateway,
  route: RelayRoute,
  request: Request,
  requestId: string,
): Promise<Response> {
  const answer = serve(gateway, route, request, requestId)
  // workerd drops a request whose client has left, unless something is asked to outlive it at once.
  const outlive = () => gateway.runtime.defer(answer.catch(() => {}))
  request.signal.addEventListener('abort', outlive, { once: true })
  try {
    return await answer
  } finally {
    request.signal.removeEventListener('abort', outlive)
  }
}

async function serve(
  gateway: Gateway,
  route: RelayRoute,
  request: Request,
  requestId: string,
): Promise<Response> {
  const { runtime, openSecrets } = gateway
  const { dialect, operation } = route
  const { BODY_LIMIT_BYTES, REQUEST_DEADLINE_SECONDS, STREAM_KEEPALIVE_SECONDS } = runtime.config
  const receivedAtMs = runtime.now()
  const principal = await authenticate(gateway.catalog, request.headers)
  const { client, leave } = await readClientRequest(request, requestId, BODY_LIMIT_BYTES)
  const trace = startTrace(requestId, client.hints.stream, receivedAtMs)
  const deadlineMs = receivedAtMs + REQUEST_DEADLINE_SECONDS * 1000
  const context = { runtime, openSecrets, dialect, operation, client, deadlineMs }
  const answer = place(gateway, { route, client, principal, trace })
    .then((admission) => dispatch(gateway, context, admission))
    .then((exchange) => respond(gateway, client, exchange))
  // What a client leaves behind is settled later than it is noticed.
  const outlive = () => runtime.defer(answer.then(() => {}).catch(() => {}))
  client.signal.addEventListener('abort', outlive, { once: true })
  if (!client.hints.stream) return answer
  const intervalMs = STREAM_KEEPALIVE_SECONDS * 1000
  return holdOpen(answer, { dialect, requestId, intervalMs, onLeave: leave, log: runtime.log })
}
