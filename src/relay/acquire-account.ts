/** Place: plans and admits until the request has an account, or must be refused. */
import { v7 as uuidv7 } from 'uuid'
import type { Snapshot } from '../catalog/catalog.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { admit } from './admit.ts'
import type { authenticate } from './authenticate.ts'
import { type Plan, plan } from './plan.ts'
import { type ClientRequest, clientClosed } from './request/client-request.ts'
import type { RelayRoute } from './routes.ts'
import type { Admission } from './scheduling/admission.ts'
import { createWaiting } from './scheduling/waiting.ts'
import { settleRejected } from './settlement/settle.ts'
import { notePassedOver, type Trace } from './settlement/trace.ts'

/** An edit may race with its own effect a few times; more means the store is not consistent. */
const maxPlans = 5

export interface Placement {
  route: RelayRoute
  client: ClientRequest
  principal: Awaited<ReturnType<typeof authenticate>>
  trace: Trace
}

/**
 * Places a request on an account; waits a little where every account rests or is full.
 * @throws GatewayError the refusal of the plan, of a limit, or that no account is free.
 */
export async function place(gateway: Gateway, placement: Placement): Promise<Admission> {
  const { runtime } = gateway
  const { client, trace } = placement
  // A name that the client chose may come twice, and must never merge two requests.
  const isOurs = client.headers.get('x-request-id') !== client.requestId
  const ledgerId = isOurs ? client.requestId : uuidv7({ msecs: runtime.now() })
  const keyId = placement.principal.snapshot.apiKey?.record.id ?? ''
  const waiting = createWaiting(runtime, keyId, client.signal)
  let known = placement.principal
  for (;;) {
    const outcome = await planAndAdmit(gateway, placement, ledgerId, known)
    if (!('busy' in outcome)) return outcome
    if (!(await waiting.pause(outcome.busy))) {
      settleRejected(gateway, outcome.plan, trace)
      throw outcome.refusal
    }
    if (waiting.isOver()) throw clientClosed()
    known = { snapshot: outcome.plan.snapshot, isFresh: false }
  }
}

/** Plans with the catalog in memory, and again with a newer one when that turns out to be old. */
async function planAndAdmit(
  gateway: Gateway,
  { route, client, trace }: Placement,
  ledgerId: string,
  known: Placement['principal'],
) {
  const { catalog, runtime } = gateway
  const planWith = (snapshot: Snapshot) =>
    plan({
      ledgerId,
      requestId: client.requestId,
      snapshot,
      route,
      headers: client.headers,
      hints: client.hints,
      bodyBytes: client.body.length,
      canProxy: runtime.canProxy,
      platforms: gateway.platforms,
      pricer: gateway.pricer,
      nowMs: runtime.now(),
    })
  let { snapshot, isFresh } = known
  for (let plans = 0; plans < maxPlans; plans++) {
    let planned: Plan
    try {
      planned = planWith(snapshot)
      if (planned.refusal && isFresh) {
        notePassedOver(trace, planned.excluded)
        settleRejected(gateway, planned, trace)
      }
      if (planned.refusal) throw planned.refusal
    } catch (refusal) {
      // A refusal made with an old catalog is no refusal: ask the store once before saying no.
      if (isFresh) throw refusal
      snapshot = await catalog.load(snapshot.digest)
      isFresh = true
      continue
    }
    const outcome = await admit(gateway, planned, trace)
    if (!('pool' in outcome)) return outcome
    const { pool, apiKey } = outcome
    const isLost = pool.length === 0 && apiKey.length === 0
    snapshot = isLost ? await catalog.load(snapshot.digest) : catalog.apply(snapshot, outcome)
    isFresh = true
  }
  throw new GatewayError('store_unavailable', 'The gateway configuration keeps changing; try again')
}
