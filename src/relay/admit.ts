/** Admit: turns a plan into a lease on an account, or into the refusal the caller should see. */
import type { AdmittedUse } from '../domain/limits.ts'
import { modelFamily } from '../domain/model-family.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { bucketsAt } from '../ledger/calendar.ts'
import { limitValues, windowMs } from '../ledger/key-limits.ts'
import { IncompatibleStore } from '../store/schema.ts'
import {
  type AdmitInput,
  type AdmitReply,
  admitScript,
  type DenyReply,
  type NoneReply,
  type WaitReply,
} from '../store/scripts/admit.ts'
import { activationMs, type Plan } from './plan.ts'
import { type Admission, admissionOf } from './scheduling/admission.ts'
import { issuerGone } from './scheduling/bound.ts'
import { asCandidates } from './scheduling/candidates.ts'
import { denial } from './scheduling/denials.ts'
import { rosterFor } from './scheduling/roster.ts'
import { unavailable } from './scheduling/unavailable.ts'
import { settleOrphans, sweep } from './settlement/orphans.ts'
import { settleVoid } from './settlement/settle.ts'
import { notePassedOver, type Trace } from './settlement/trace.ts'

/** One request at a time tries a recovering account for this long. */
export const probeMs = 30_000

/** No account is available now; `refusal` is what the caller is answered unless it waits. */
export interface NotAdmitted {
  noAccountAvailable: NoneReply
  plan: Plan
  refusal: GatewayError
}

/** Others of its key are in flight or come first; `refuse` makes the answer for one that waits no longer. */
export interface NotItsTurn {
  notItsTurn: WaitReply
  plan: Plan
  refuse(): GatewayError
}

/**
 * One round trip.
 * @param queue its place among those of its key that wait for their turn.
 * @returns the admission, the catalog's newer rows when the plan was made with old ones, or that
 * its turn has not come or no account is available now.
 * @throws GatewayError the refusal of a limit, or `store_unavailable`.
 */
export async function admit(
  gateway: Gateway,
  plan: Plan,
  trace: Trace,
  queue: AdmitInput['queue'],
): Promise<Admission | Extract<AdmitReply, { kind: 'stale' }> | NotAdmitted | NotItsTurn> {
  const { runtime } = gateway
  const reply = await decide(gateway, plan, queue)
  switch (reply.kind) {
    case 'stale':
      return reply
    case 'wait':
      return { notItsTurn: reply, plan, refuse: () => deny(gateway, plan, gaveUp(reply)) }
    case 'deny':
      // Leases of processes that ended would count against this key for ever if they were not swept.
      if (reply.reservedNanoUsd > 0) runtime.defer(sweep(gateway, plan.poolId))
      throw deny(gateway, plan, reply)
    case 'none':
      notePassedOver(trace, [...plan.excluded, ...reply.skipped])
      return {
        noAccountAvailable: reply,
        plan,
        refusal: unavailable({ ...reply, isBound: reply.isRequired, failed: [] }),
      }
    case 'issuerGone':
      notePassedOver(trace, plan.excluded)
      throw issuerGone(plan.binding, plan.onlyAccountId !== undefined)
    case 'gone':
      throw new GatewayError('internal', 'This request was ended before it began')
    case 'ok':
      if (reply.orphans.length > 0) runtime.defer(settleOrphans(gateway, reply.orphans))
      notePassedOver(trace, plan.excluded)
      return admissionOf(plan, trace, { ...reply, keyUse: useOf(reply) })
  }
}

const useOf = (reply: Extract<AdmitReply, { kind: 'ok' }>): AdmittedUse | undefined =>
  reply.windowRequests > 0 ? reply : undefined

/** The refusal of a limit, which is also an event. */
function deny({ runtime }: Gateway, plan: Plan, reply: DenyReply): GatewayError {
  const { requestId, apiKey } = plan
  const { cause, limit, used } = reply
  runtime.observe({ type: 'denied', requestId, keyId: apiKey.id, cause, limit, used })
  return denial(reply, runtime.config.TIMEZONE)
}

const gaveUp = ({ limit, used }: WaitReply): DenyReply => ({
  kind: 'deny',
  cause: 'concurrency',
  limit,
  used,
  resetMs: 0,
  nowMs: 0,
  reservedNanoUsd: 0,
})

async function decide(
  gateway: Gateway,
  plan: Plan,
  queue: AdmitInput['queue'],
): Promise<AdmitReply> {
  const { runtime, keyspace } = gateway
  const { LEASE_SECONDS, SESSION_RETURN_SECONDS, TIMEZONE: timeZone } = runtime.config
  const { apiKey, snapshot, candidates, offering } = plan
  const nowMs = runtime.now()
  // An account may rename what was asked for to a model with a budget of its own.
  const isOpus = candidates.some(({ family }) => family === 'opus')
  try {
    return await admitScript(runtime.redis, keyspace, {
      poolVersion: snapshot.pool.version,
      keyRevision: String(snapshot.apiKey?.revision ?? 0),
      digest: snapshot.digest,
      ledgerId: plan.ledgerId,
      poolId: plan.poolId,
      keyId: apiKey.id,
      sessionKey: plan.sessionKey,
      affinityDigest: plan.affinityDigest,
      hasBoundContent: plan.hasBoundContent,
      model: plan.model,
      family: isOpus ? 'opus' : modelFamily(plan.model),
      reservationNanoUsd: plan.reservationNanoUsd,
      leaseMs: LEASE_SECONDS * 1000,
      probeMs,
      warmMs: SESSION_RETURN_SECONDS * 1000,
      windowMs: windowMs(apiKey),
      activationMs: activationMs(apiKey),
      queue,
      periods: bucketsAt(nowMs, timeZone),
      limits: limitValues(apiKey),
      candidates: asCandidates(offering, {
        nowMs,
        timeZone,
        organisations: gateway.organisations,
      }),
      roster: rosterFor(gateway, snapshot.pool, offering.length),
    })
  } catch (error) {
    // The script may have run although its reply was lost: the tombstone ends its lease either way.
    if (!(error instanceof IncompatibleStore)) settleVoid(gateway, plan)
    throw error
  }
}
