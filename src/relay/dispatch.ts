/** Dispatch: tries one account after the other until one answers, at a round trip per failover. */
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { reassignScript } from '../store/scripts/reassign.ts'
import { type Admission, admissionOf } from './admission.ts'
import { probeMs } from './admit.ts'
import { attempt } from './attempt.ts'
import { asCandidates, type PlannedAccount } from './candidates.ts'
import { loneCooldownMs } from './failure.ts'
import type { AttemptContext, Outcome } from './outcome.ts'
import { settleVoid } from './settle.ts'
import { notePassedOver } from './trace.ts'
import { type FailedAttempt, unavailable } from './unavailable.ts'

/** An outcome to show, and the admission that paid for it. */
export interface Exchange {
  admission: Admission
  planned: PlannedAccount
  outcome: Exclude<Outcome, { kind: 'failure' }>
}

const maxAttempts = 5

/**
 * Sends the request upstream, switching account on each failure.
 * @throws GatewayError as `unavailable` makes it when nothing or no time is left to try,
 * `store_unavailable` when the store cannot move the lease.
 */
export async function dispatch(
  gateway: Gateway,
  context: AttemptContext,
  first: Admission,
): Promise<Exchange> {
  const tried: PlannedAccount[] = []
  const failed: FailedAttempt[] = []
  let admission = first
  for (;;) {
    const planned = plannedFor(admission)
    tried.push(planned)
    const outcome = await tracedAttempt(context, admission, planned)
    if (outcome.kind !== 'failure') return { admission, planned, outcome }
    const latest = { failure: outcome.failure, restsUntilMs: 0 }
    failed.push(latest)
    const isLate = gateway.runtime.now() >= context.deadlineMs
    const isLast = isLate || tried.length >= maxAttempts
    const untried = isLast ? [] : admission.plan.candidates.filter((c) => !tried.includes(c))
    admission = await failOver(gateway, { admission, planned, untried, latest, failed })
  }
}

function plannedFor({ plan, accountId }: Admission): PlannedAccount {
  const planned = plan.candidates.find(({ account }) => account.id === accountId)
  if (!planned) throw new GatewayError('internal', 'The admitted account was not planned for')
  return planned
}

async function tracedAttempt(
  context: AttemptContext,
  { trace }: Admission,
  planned: PlannedAccount,
): Promise<Outcome> {
  const { now } = context.runtime
  const startedMs = now()
  const outcome = await attempt(context, planned)
  trace.attempts.push({
    accountId: planned.account.id,
    model: planned.upstreamModel,
    afterMs: startedMs - trace.receivedAtMs,
    tookMs: now() - startedMs,
    outcome: outcome.kind === 'failure' ? outcome.failure.reason : outcome.kind,
    status: 'status' in outcome ? outcome.status : null,
  })
  return outcome
}

/** Records the failure and moves the lease on; without anybody left to try it ends the request. */
async function failOver(
  gateway: Gateway,
  now: {
    admission: Admission
    planned: PlannedAccount
    untried: PlannedAccount[]
    latest: FailedAttempt
    failed: FailedAttempt[]
  },
): Promise<Admission> {
  const { runtime, keyspace } = gateway
  const { admission, planned, untried, latest, failed } = now
  const { plan, trace, generation, accountId } = admission
  const { LEASE_SECONDS, SESSION_RETURN_SECONDS, TIMEZONE: timeZone } = runtime.config
  const { failure } = latest
  const { requestId, ledgerId } = plan
  const { reason } = failure
  runtime.log.warn('attempt_failed', { requestId, ledgerId, accountId, reason })
  const give = (error: unknown): never => {
    settleVoid(gateway, plan, {
      accountId,
      family: planned.family,
      verdict: failure,
      trace,
      how: 'failed',
    })
    throw error
  }
  // An id that only this account knows keeps the request here, whatever else is free.
  const offered = admission.affinity === 'required' ? [] : untried
  const reply = await reassignScript(runtime.redis, keyspace, {
    ledgerId,
    platform: plan.protocol.platform,
    keyId: plan.apiKey.id,
    sessionKey: plan.sessionKey,
    generation,
    failure,
    family: planned.family,
    leaseMs: LEASE_SECONDS * 1000,
    probeMs,
    warmMs: SESSION_RETURN_SECONDS * 1000,
    loneCooldownMs: loneCooldownMs(failure),
    candidates: asCandidates(offered, { nowMs: runtime.now(), timeZone }),
  }).catch(give)
  const nobody = { soonestMs: 0, cooling: 0, limited: 0, full: 0, spent: 0, nowMs: runtime.now() }
  if (reply.kind === 'gone') return give(unavailable({ ...nobody, failed }))
  latest.restsUntilMs = reply.restsUntilMs
  const attempted = trace.attempts.at(-1)
  if (attempted) attempted.restsUntilMs = reply.restsUntilMs
  if (reply.kind === 'ok') return admissionOf(plan, trace, reply)
  notePassedOver(trace, reply.skipped)
  return give(unavailable({ ...reply, failed }))
}
