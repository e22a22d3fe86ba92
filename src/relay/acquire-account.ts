/** Acquires an account: plans and admits until the request has one, or must be refused. */
import type { Snapshot } from '../catalog/catalog.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { admit } from './admit.ts'
import type { Principal } from './authenticate.ts'
import { type Plan, plan } from './plan.ts'
import { type ClientRequest, clientClosed } from './request/client-request.ts'
import { ledgerIdOf } from './request/ledger-id.ts'
import type { RelayRoute } from './routes.ts'
import type { Admission } from './scheduling/admission.ts'
import { createTurn, type Turn } from './scheduling/turn.ts'
import { createWaiting } from './scheduling/waiting.ts'
import { noteRefusal } from './settlement/note-refusal.ts'
import { settleRejected } from './settlement/settle.ts'
import { notePassedOver, type Trace } from './settlement/trace.ts'

/** An edit may race with its own effect a few times; more means the store is not consistent. */
const maxPlans = 5

/** A request that needs an account. */
export interface Acquisition {
  route: RelayRoute
  client: ClientRequest
  principal: Principal
  trace: Trace
  /** The one account that may serve it; undefined: any that can. */
  onlyAccountId?: string
}

/**
 * Acquires an account for a request; waits for its turn where its key has as many in flight as it may, and a
 * little where every account is cooling down or at capacity.
 * @throws GatewayError the refusal of the plan or of a limit, that no account is available, `client_closed`.
 */
export async function acquireAccount(
  gateway: Gateway,
  acquisition: Acquisition,
): Promise<Admission> {
  const { runtime } = gateway
  const { client, principal, trace } = acquisition
  const ledgerId = ledgerIdOf(client, runtime.now())
  const keyId = principal.snapshot.apiKey?.record.id ?? ''
  const turn = createTurn(gateway, client)
  const waiting = createWaiting(gateway, keyId, client.signal)
  let known = principal
  try {
    for (;;) {
      const outcome = await planAndAdmit(gateway, acquisition, ledgerId, turn, known)
      if ('notItsTurn' in outcome) {
        const pausedMonotonicMs = runtime.monotonicMs()
        const afterPause = await turn.pause(outcome.plan.apiKey.id, outcome.notItsTurn)
        trace.queuedMs += runtime.monotonicMs() - pausedMonotonicMs
        if (afterPause === 'client_gone') throw clientClosed()
        if (afterPause === 'too_late') throw outcome.refuse()
      } else {
        turn.come()
        if (!('noAccountAvailable' in outcome)) return outcome
        const afterPause = await waiting.pause(outcome.noAccountAvailable)
        if (afterPause === 'client_gone') throw clientClosed()
        if (afterPause === 'too_late') {
          settleRejected(gateway, outcome.plan, trace, outcome.refusal)
          throw outcome.refusal
        }
      }
      known = { snapshot: outcome.plan.snapshot, isFresh: false }
    }
  } catch (error) {
    const { requestId, hints } = client
    const { poolId } = acquisition.route
    noteRefusal(gateway, { ledgerId, requestId, poolId, keyId, model: hints.model, trace }, error)
    throw error
  } finally {
    turn.end()
  }
}

/** Plans with the catalog in memory, and again with a newer one when that turns out to be old. */
async function planAndAdmit(
  gateway: Gateway,
  { route, client, trace, onlyAccountId }: Acquisition,
  ledgerId: string,
  turn: Turn,
  known: Acquisition['principal'],
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
      conversation: client.conversation,
      bodyBytes: client.body.length,
      canProxy: runtime.canProxy,
      platforms: gateway.platforms,
      offerings: gateway.offerings,
      pricer: gateway.pricer,
      unpricedModels: runtime.config.UNPRICED_MODELS,
      nowMs: runtime.now(),
      onlyAccountId,
    })
  let { snapshot, isFresh } = known
  for (let plans = 0; plans < maxPlans; plans++) {
    let planned: Plan
    try {
      planned = planWith(snapshot)
      if (planned.refusal && isFresh) {
        notePassedOver(trace, planned.excluded)
        settleRejected(gateway, planned, trace, planned.refusal)
      }
      if (planned.refusal) throw planned.refusal
    } catch (refusal) {
      // A refusal made with an old catalog is no refusal: ask the store once before saying no.
      if (isFresh) throw refusal
      snapshot = await catalog.load(snapshot.digest)
      isFresh = true
      continue
    }
    const outcome = await admit(gateway, planned, trace, turn.place)
    if (!('pool' in outcome)) return outcome
    const { pool, apiKey } = outcome
    const isLost = pool.length === 0 && apiKey.length === 0
    snapshot = isLost ? await catalog.load(snapshot.digest) : catalog.apply(snapshot, outcome)
    isFresh = true
  }
  throw new GatewayError('store_unavailable', 'The gateway configuration keeps changing; try again')
}
