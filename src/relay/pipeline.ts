/** The relay on one screen: authenticate → plan → admit → dispatch → gate → meter → settle. */
import { v7 as uuidv7 } from 'uuid'
import type { Snapshot } from '../catalog/catalog.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { Protocol } from '../protocol/protocol.ts'
import type { Admission } from './admission.ts'
import { admit } from './admit.ts'
import { authenticate } from './authenticate.ts'
import { type ClientRequest, readClientRequest } from './client-request.ts'
import { dispatch } from './dispatch.ts'
import { holdOpen } from './hold-open.ts'
import { type Plan, plan } from './plan.ts'
import { respond } from './respond.ts'
import { settleUnserved } from './settle.ts'
import { notePassedOver, startTrace, type Trace } from './trace.ts'

/** An edit may race with its own effect a few times; more means the store is not consistent. */
const maxPlans = 5

/**
 * Serves one relay request.
 * @param requestId names the request in answers and logs; the ledger names it on its own.
 * @throws GatewayError whatever the caller has to be told; nothing stays taken then.
 */
export async function relay(
  gateway: Gateway,
  protocol: Protocol,
  request: Request,
  requestId: string,
): Promise<Response> {
  const answer = serve(gateway, protocol, request, requestId)
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
  protocol: Protocol,
  request: Request,
  requestId: string,
): Promise<Response> {
  const { runtime, sealer } = gateway
  const { BODY_LIMIT_BYTES, REQUEST_DEADLINE_SECONDS, STREAM_KEEPALIVE_SECONDS } = runtime.config
  const receivedAtMs = runtime.now()
  const principal = await authenticate(gateway.catalog, request.headers)
  const { client, leave } = await readClientRequest(request, requestId, BODY_LIMIT_BYTES)
  const trace = startTrace(requestId, client.hints.stream, receivedAtMs)
  const admission = await planAndAdmit(gateway, protocol, { client, principal, trace })
  const deadlineMs = receivedAtMs + REQUEST_DEADLINE_SECONDS * 1000
  const context = { runtime, sealer, protocol, client, deadlineMs }
  const answer = dispatch(gateway, context, admission).then((exchange) =>
    respond(gateway, client, exchange),
  )
  // What a client leaves behind is settled later than it is noticed.
  const outlive = () => runtime.defer(answer.then(() => {}).catch(() => {}))
  client.signal.addEventListener('abort', outlive, { once: true })
  if (!client.hints.stream) return answer
  const intervalMs = STREAM_KEEPALIVE_SECONDS * 1000
  return holdOpen(answer, { protocol, requestId, intervalMs, onLeave: leave })
}

/** Plans with the catalog in memory, and again with a newer one when that turns out to be old. */
async function planAndAdmit(
  gateway: Gateway,
  protocol: Protocol,
  request: {
    client: ClientRequest
    principal: Awaited<ReturnType<typeof authenticate>>
    trace: Trace
  },
): Promise<Admission> {
  const { catalog, runtime } = gateway
  const { client, principal, trace } = request
  // A name that the client chose may come twice, and must never merge two requests.
  const isOurs = client.headers.get('x-request-id') !== client.requestId
  const ledgerId = isOurs ? client.requestId : uuidv7({ msecs: runtime.now() })
  let { snapshot, isFresh } = principal
  const planWith = (known: Snapshot) =>
    plan({
      ledgerId,
      requestId: client.requestId,
      snapshot: known,
      protocol,
      headers: client.headers,
      hints: client.hints,
      bodyBytes: client.body.length,
      canProxy: runtime.canProxy,
      nowMs: runtime.now(),
    })
  for (let plans = 0; plans < maxPlans; plans++) {
    let planned: Plan
    try {
      planned = planWith(snapshot)
      if (planned.refusal && isFresh) {
        notePassedOver(trace, planned.excluded)
        settleUnserved(gateway, planned, trace)
      }
      if (planned.refusal) throw planned.refusal
    } catch (refusal) {
      // A refusal made with an old catalog is no refusal: ask the store once before saying no.
      if (isFresh) throw refusal
      snapshot = await catalog.load(snapshot.digest)
      isFresh = true
      continue
    }
    const admission = await admit(gateway, planned, trace)
    if (!('kind' in admission)) return admission
    const { pool, apiKey } = admission
    const isLost = pool.length === 0 && apiKey.length === 0
    snapshot = isLost ? await catalog.load(snapshot.digest) : catalog.apply(snapshot, admission)
    isFresh = true
  }
  throw new GatewayError('store_unavailable', 'The gateway configuration keeps changing; try again')
}
