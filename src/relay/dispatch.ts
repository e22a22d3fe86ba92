/** Dispatch: tries one account after the other until one answers, at a round trip per failover. */
import type { AccountFailure } from '../domain/account-failure.ts'
import { onlyAccountCooldownMs } from '../domain/cooldowns.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { type ReassignReply, reassignScript } from '../store/scripts/reassign.ts'
import { probeMs } from './admit.ts'
import { attempt } from './attempt/attempt.ts'
import type { AttemptContext, Outcome } from './attempt/outcome.ts'
import { clientClosed } from './request/client-request.ts'
import { type Admission, admissionOf } from './scheduling/admission.ts'
import { asCandidates, type PlannedAccount } from './scheduling/candidates.ts'
import { tellHealthChanges } from './scheduling/health-events.ts'
import { type FailedAttempt, unavailable } from './scheduling/unavailable.ts'
import { createWaiting, type Waiting } from './scheduling/waiting.ts'
import { settleVoid } from './settlement/settle.ts'
import { notePassedOver } from './settlement/trace.ts'

/** An outcome to show, and the admission that paid for it. */
export interface Exchange {
  admission: Admission
  planned: PlannedAccount
  outcome: Exclude<Outcome, { kind: 'failure' }>
}

const maxAttempts = 5

/**
 * Sends the request upstream, switching account on each failure.
 * @throws GatewayError as `unavailable` makes it when no account is left to try, `upstream_timeout` when
 * no time is, `store_unavailable` when the store cannot move the lease.
 */
export async function dispatch(
  gateway: Gateway,
  context: AttemptContext,
  first: Admission,
): Promise<Exchange> {
  const { runtime } = gateway
  const waiting = createWaiting(gateway, first.plan.apiKey.id, context.client.signal)
  const tried: PlannedAccount[] = []
  const failed: FailedAttempt[] = []
  let admission = first
  for (;;) {
    const planned = plannedFor(admission)
    tried.push(planned)
    const outcome = await tracedAttempt(context, admission, planned)
    if (outcome.kind !== 'failure') return { admission, planned, outcome }
    const { plan, accountId } = admission
    const { requestId, ledgerId } = plan
    const { reason } = outcome.failure
    runtime.observe({ type: 'attempt_failed', requestId, ledgerId, accountId, reason })
    const latest = { failure: outcome.failure, cooldownUntilMs: 0 }
    failed.push(latest)
    const untried = plan.candidates.filter((candidate) => !tried.includes(candidate))
    // An id that only this account knows keeps the request here, whatever else is free.
    const isLate = runtime.monotonicMs() >= context.deadlineMonotonicMs
    const isLast = isLate || tried.length >= maxAttempts || admission.affinity === 'required'
    const failover = { admission, planned, untried, isLate, isLast, latest, failed }
    admission = await failOver(gateway, failover, waiting)
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
  const { monotonicMs } = context.runtime
  const startedMs = monotonicMs()
  const outcome = await attempt(context, planned)
  trace.attempts.push({
    accountId: planned.account.id,
    model: planned.upstreamModel,
    afterMs: startedMs - trace.receivedMonotonicMs,
    tookMs: monotonicMs() - startedMs,
    outcome: outcome.kind === 'failure' ? outcome.failure.reason : outcome.kind,
    status: 'status' in outcome ? outcome.status : null,
  })
  return outcome
}

interface Failover {
  admission: Admission
  planned: PlannedAccount
  /** The candidates that have not been asked; after the last attempt none of them will be. */
  untried: PlannedAccount[]
  isLast: boolean
  /** The deadline ended it. */
  isLate: boolean
  latest: FailedAttempt
  failed: FailedAttempt[]
}

/** Records the failure and moves the lease to another account; if none is available in time, it ends the request. */
async function failOver(
  gateway: Gateway,
  failover: Failover,
  waiting: Waiting,
): Promise<Admission> {
  const { admission, planned, untried, isLast, isLate, latest, failed } = failover
  const { plan, trace, accountId } = admission
  const { runtime } = gateway
  const { family } = planned
  let isRecorded = false
  const failRequest = (error: unknown): never => {
    const verdict = isRecorded ? undefined : latest.failure
    settleVoid(gateway, plan, { accountId, family, verdict, trace, how: 'failed' })
    throw error
  }
  for (;;) {
    // Recorded once: a request that waits here must not undo a recovery of the account meanwhile.
    const failure = isRecorded ? alreadyRecorded(latest.failure) : latest.failure
    const reply = await reassign(gateway, failover, failure).catch(failRequest)
    tellHealthChanges(runtime, plan.poolId, changesOf(reply))
    const nowMs = runtime.now()
    if (reply.kind === 'gone') return failRequest(unavailable({ ...noOthers, nowMs, failed }))
    if (!isRecorded) noteCooldown(failover, reply.cooldownUntilMs)
    isRecorded = true
    if (reply.kind === 'ok') return admissionOf(plan, trace, reply, runtime.monotonicMs())
    notePassedOver(trace, reply.skipped)
    if (isLate) return failRequest(new GatewayError('upstream_timeout', tooLate))
    // Meanwhile it keeps its place on the account that failed, which is cooling down anyway.
    const isHopeless = isLast || untried.length === 0
    const afterPause = isHopeless ? 'too_late' : await waiting.pause(reply)
    if (afterPause === 'too_late') return failRequest(unavailable({ ...reply, failed }))
    if (afterPause === 'client_gone') return failRequest(clientClosed())
  }
}

const alreadyRecorded = (failure: AccountFailure): AccountFailure => ({ ...failure, scope: 'none' })

function noteCooldown({ admission, latest }: Failover, cooldownUntilMs: number): void {
  latest.cooldownUntilMs = cooldownUntilMs
  const attempted = admission.trace.attempts.at(-1)
  if (attempted) attempted.cooldownUntilMs = cooldownUntilMs
}

/** What has changed, with the end that a cooldown was shortened to where it was the only account's. */
function changesOf(reply: ReassignReply): ReassignReply['healthChanges'] {
  if (reply.kind === 'gone') return reply.healthChanges
  const { healthChanges, cooldownUntilMs } = reply
  return healthChanges.map((change) => ({ ...change, untilMs: cooldownUntilMs }))
}

const tooLate = 'No upstream account began to answer in time'
const noOthers = { soonestMs: 0, cooling: 0, limited: 0, atCapacity: 0, overQuota: 0 }

function reassign(
  { runtime, keyspace }: Gateway,
  { admission, planned, untried, isLast }: Failover,
  failure: AccountFailure,
): Promise<ReassignReply> {
  const { LEASE_SECONDS, SESSION_RETURN_SECONDS, TIMEZONE: timeZone } = runtime.config
  const { plan, generation } = admission
  const offered = isLast ? [] : untried
  return reassignScript(runtime.redis, keyspace, {
    ledgerId: plan.ledgerId,
    poolId: plan.poolId,
    keyId: plan.apiKey.id,
    sessionKey: plan.sessionKey,
    generation,
    failure,
    family: planned.family,
    leaseMs: LEASE_SECONDS * 1000,
    probeMs,
    warmMs: SESSION_RETURN_SECONDS * 1000,
    // Others that are only not asked any more may well be available.
    onlyAccountCooldownMs: offered.length < untried.length ? 0 : onlyAccountCooldownMs(failure),
    candidates: asCandidates(offered, { nowMs: runtime.now(), timeZone }),
  })
}
