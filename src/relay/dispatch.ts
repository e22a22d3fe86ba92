/**
 * Dispatch: tries one account after the other until one answers, at a round trip per failover; when no
 * other is left, the same ones again.
 */
import type { AccountFailure } from '../domain/account-failure.ts'
import { onlyAccountCooldown } from '../domain/cooldowns.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { type ReassignReply, reassignScript } from '../store/scripts/reassign.ts'
import { probeMs } from './admit.ts'
import { attempt } from './attempt/attempt.ts'
import type { AttemptContext, Outcome, Refusal } from './attempt/outcome.ts'
import { clientClosed } from './request/client-request.ts'
import { type Admission, admissionOf } from './scheduling/admission.ts'
import { asCandidates, type PlannedAccount } from './scheduling/candidates.ts'
import { tellHealthChanges } from './scheduling/health-events.ts'
import { learnOffering, offering } from './scheduling/offering.ts'
import { createSoleRetry, type SoleRetry } from './scheduling/sole-retry.ts'
import { type FailedAttempt, noOthers, unavailable } from './scheduling/unavailable.ts'
import { type AfterPause, createWaiting, type Waiting } from './scheduling/waiting.ts'
import { type FailedTry, noteFailure } from './settlement/last-failure.ts'
import { settleVoid } from './settlement/settle.ts'
import { notePassedOver } from './settlement/trace.ts'

/** An outcome to show, and the admission that paid for it. */
export interface Exchange {
  admission: Admission
  planned: PlannedAccount
  outcome: Exclude<Outcome, { kind: 'failure' }>
}

/** Different accounts; `SoleRetry` says how often they are asked again when no other is left. */
const maxAccounts = 5

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
  const { runtime, organisations, offerings } = gateway
  const { operation } = context
  const { ledgerId, requestId, candidates, apiKey } = first.plan
  const onHeaders: AttemptContext['onHeaders'] = ({ id }, headers) =>
    organisations.learn(id, headers)
  const isProven: AttemptContext['isProven'] = ({ id }) => offerings.has(id, operation) === true
  const heard = { ...context, onHeaders, isProven }
  const waiting = createWaiting(gateway, apiKey.id, context.client.signal)
  const retry = createSoleRetry(gateway, context, { keyId: apiKey.id, ledgerId })
  // What only one account can serve is asked of one, also where it is not known which.
  const isBound = first.affinity === 'required' || first.plan.binding !== undefined
  const tried = new Set<PlannedAccount>()
  const failed = new Map<PlannedAccount, FailedAttempt>()
  const refusals = new Map<PlannedAccount, Refusal | undefined>()
  let admission = first
  for (;;) {
    const planned = plannedFor(admission)
    if (tried.has(planned)) retry.noteRetry()
    tried.add(planned)
    const { outcome, tookMs } = await tracedAttempt(heard, admission, planned)
    learnOffering(offerings, operation, planned.account.id, outcome)
    if (outcome.kind !== 'failure') return { admission, planned, outcome }
    const { failure, status } = outcome
    const { accountId } = admission
    const { reason } = failure
    runtime.observe({ type: 'attempt_failed', requestId, ledgerId, accountId, reason })
    const latest = { failure, cooldownUntilMs: 0 }
    failed.set(planned, latest)
    refusals.set(planned, outcome.refusal)
    retry.noteFailure({ planned, failure, status, tookMs })
    const untried = isBound ? [] : candidates.filter((candidate) => !tried.has(candidate))
    const others = [...offering(offerings, operation, untried)]
    const isLate = runtime.monotonicMs() >= context.deadlineMonotonicMs
    // Others that are only not asked any more may well be available.
    const isCutOff = others.length > 0 && (isLate || tried.size >= maxAccounts)
    const next = { others: isCutOff ? [] : others, isCutOff, isLate, isBound }
    const refusal = [...refusals.values()].every(Boolean) ? outcome.refusal : undefined
    const failures = { latest, failed: [...failed.values()], refusal }
    const failover = { admission, planned, attempted: outcome, ...next, ...failures }
    const found = await failOver(gateway, failover, { waiting, retry })
    if ('kind' in found) return { admission, planned, outcome: found }
    admission = found
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
): Promise<{ outcome: Outcome; tookMs: number }> {
  const { monotonicMs } = context.runtime
  const startedMs = monotonicMs()
  const outcome = await attempt(context, planned)
  const tookMs = monotonicMs() - startedMs
  const usage = outcome.kind === 'failure' ? outcome.usage?.reported?.() : undefined
  trace.attempts.push({
    accountId: planned.account.id,
    model: planned.upstreamModel,
    afterMs: startedMs - trace.receivedMonotonicMs,
    tookMs,
    outcome: outcome.kind === 'failure' ? outcome.failure.reason : outcome.kind,
    status: 'status' in outcome ? outcome.status : null,
    ...(usage && { usage }),
  })
  return { outcome, tookMs }
}

interface Failover {
  admission: Admission
  planned: PlannedAccount
  attempted: FailedTry
  /** The candidates that have not been asked and may be. */
  others: PlannedAccount[]
  /** There are others, which will not be asked any more. */
  isCutOff: boolean
  /** The deadline ended it. */
  isLate: boolean
  /** Only the account that failed can serve it. */
  isBound: boolean
  latest: FailedAttempt
  failed: FailedAttempt[]
  /** What the client gets when no account is left: all that were asked refuse the request itself. */
  refusal: Refusal | undefined
}

/** What a request does while no account is available. */
interface Patience {
  /** For an account that has not been asked. */
  waiting: Waiting
  /** For one that has. */
  retry: SoleRetry
}

/** Records the failure and moves the lease to the next account; if none is available in time, it ends the request. */
async function failOver(
  gateway: Gateway,
  failover: Failover,
  patience: Patience,
): Promise<Admission | Refusal> {
  const { admission, planned, others, isCutOff, isLate, isBound, latest, failed, refusal } =
    failover
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
    const again = isLate || isCutOff ? [] : patience.retry.accounts()
    // An account that has failed is asked again only when no other is left.
    const offered = isRecorded ? [...others, ...again] : others
    // Recorded once: a request that waits here must not undo a recovery of the account meanwhile.
    const failure = isRecorded ? alreadyRecorded(latest.failure) : latest.failure
    const reply = await reassign(gateway, failover, { failure, offered }).catch(failRequest)
    const { said } = failover.attempted
    tellHealthChanges(runtime, plan.poolId, changesOf(reply), { accountId, said })
    const nowMs = runtime.now()
    const none = { ...noOthers, nowMs, failed, isBound }
    if (reply.kind === 'gone') return failRequest(unavailable(none))
    if (!isRecorded) {
      noteCooldown(failover, reply.cooldownUntilMs)
      noteFailure(gateway, accountId, failover.attempted)
    }
    const isFirst = !isRecorded
    isRecorded = true
    // Those that were tried are told of by their attempts.
    const skipped = reply.skipped.filter(({ accountId }) => !idsOf(again).includes(accountId))
    if (reply.kind === 'ok') {
      const affinity = admission.affinity === 'required' ? 'required' : reply.affinity
      const { keyUse } = admission
      return admissionOf(plan, trace, { ...reply, skipped, affinity, keyUse })
    }
    notePassedOver(trace, skipped)
    if (refusal && others.length + again.length === 0) return refusal
    if (isLate) return failRequest(new GatewayError('upstream_timeout', tooLate))
    // Meanwhile it keeps its place on the account that failed, which is cooling down anyway.
    const cooldownUntilMs = isFirst ? reply.cooldownUntilMs : 0
    const afterPause = await pause({ ...reply, cooldownUntilMs }, { again, others }, patience)
    // Content of an account that is cooling down now can be opened later.
    const isForeign = latest.failure.reason === 'foreign_content'
    if (afterPause === 'too_late' && refusal && !isForeign) return refusal
    if (afterPause === 'too_late') return failRequest(unavailable({ ...reply, failed, isBound }))
    if (afterPause === 'client_gone') return failRequest(clientClosed())
  }
}

async function pause(
  reply: Parameters<SoleRetry['pause']>[0],
  { again, others }: { again: PlannedAccount[]; others: PlannedAccount[] },
  { retry, waiting }: Patience,
): Promise<AfterPause> {
  const afterPause = again.length > 0 ? await retry.pause(reply) : 'too_late'
  return afterPause === 'too_late' && others.length > 0 ? waiting.pause(reply) : afterPause
}

const idsOf = (planned: PlannedAccount[]) => planned.map(({ account }) => account.id)

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

function reassign(
  { runtime, keyspace, organisations }: Gateway,
  { admission, planned, isCutOff }: Failover,
  { failure, offered }: { failure: AccountFailure; offered: PlannedAccount[] },
): Promise<ReassignReply> {
  const { LEASE_SECONDS, SESSION_RETURN_SECONDS, TIMEZONE: timeZone } = runtime.config
  const { plan, generation } = admission
  return reassignScript(runtime.redis, keyspace, {
    ledgerId: plan.ledgerId,
    poolId: plan.poolId,
    keyId: plan.apiKey.id,
    sessionKey: plan.sessionKey,
    generation,
    failure,
    family: planned.family,
    organisation: organisations.of(planned.account.id),
    leaseMs: LEASE_SECONDS * 1000,
    probeMs,
    warmMs: SESSION_RETURN_SECONDS * 1000,
    onlyAccountCooldown: isCutOff ? undefined : onlyAccountCooldown(failure),
    candidates: asCandidates(offered, { nowMs: runtime.now(), timeZone, organisations }),
  })
}
