/** Dispatch: tries one account after the other until one answers, at a round trip per failover. */
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { AccountFailure } from '../store/scripts/reassign.ts'
import { reassignScript } from '../store/scripts/reassign.ts'
import { admissionOf, allBusy, probeMs } from './admit.ts'
import { type AttemptContext, attempt, type Outcome } from './attempt.ts'
import { type Admission, asCandidates, type PlannedAccount } from './plan.ts'
import { settleVoid } from './settle.ts'

/** An outcome to show, and the admission that paid for it. */
export interface Exchange {
  admission: Admission
  planned: PlannedAccount
  outcome: Exclude<Outcome, { kind: 'failure' }>
}

const maxAttempts = 5

/**
 * Sends the request upstream, switching account on each failure.
 * @throws GatewayError `accounts_unavailable`, `accounts_rate_limited` or `upstream_failed` when
 * nothing is left to try, `store_unavailable` when the store cannot move the lease.
 */
export async function dispatch(
  gateway: Gateway,
  context: AttemptContext,
  first: Admission,
): Promise<Exchange> {
  const tried = new Set<string>()
  let admission = first
  for (;;) {
    const planned = plannedFor(admission)
    tried.add(admission.accountId)
    const outcome = await attempt(context, planned)
    if (outcome.kind !== 'failure') {
      return { admission, planned, outcome }
    }
    gateway.runtime.log.warn('attempt_failed', {
      requestId: admission.plan.requestId,
      ledgerId: admission.plan.ledgerId,
      accountId: admission.accountId,
      reason: outcome.failure.reason,
    })
    admission = await failOver(gateway, admission, outcome.failure, tried)
  }
}

function plannedFor({ plan, accountId }: Admission): PlannedAccount {
  const planned = plan.candidates.find(({ account }) => account.id === accountId)
  if (!planned) throw new GatewayError('internal', 'The admitted account was not planned for')
  return planned
}

async function failOver(
  gateway: Gateway,
  admission: Admission,
  failure: AccountFailure,
  tried: Set<string>,
): Promise<Admission> {
  const { plan, accountId, generation } = admission
  const untried =
    tried.size < maxAttempts ? plan.candidates.filter(({ account }) => !tried.has(account.id)) : []
  const give = (error: unknown): never => {
    settleVoid(gateway, plan, { accountId, verdict: failure })
    throw error
  }
  if (untried.length === 0) return give(exhausted(failure, gateway.runtime.now()))
  const reply = await reassignScript(gateway.runtime.redis, gateway.keyspace, {
    ledgerId: plan.ledgerId,
    platform: plan.protocol.platform,
    keyId: plan.apiKey.id,
    sessionKey: plan.sessionKey,
    generation,
    failure,
    leaseMs: gateway.runtime.config.LEASE_SECONDS * 1000,
    probeMs,
    candidates: asCandidates(untried),
  }).catch(give)
  if (reply.kind === 'ok') return admissionOf(plan, reply)
  if (reply.kind === 'gone') return give(exhausted(failure, gateway.runtime.now()))
  // The account that just failed cools too: count it with the others.
  const limited = reply.limited + (failure.reason === 'rate_limited' ? 1 : 0)
  return give(allBusy({ ...reply, cooling: reply.cooling + 1, limited }))
}

/** What the caller hears when every account failed; never which account, and never its words. */
function exhausted(failure: AccountFailure, nowMs: number): GatewayError {
  if (failure.reason === 'rate_limited') {
    const untilMs = failure.untilMs || nowMs + failure.cooldownMs
    const retryAfterSeconds = Math.max(1, Math.ceil((untilMs - nowMs) / 1000))
    return new GatewayError(
      'accounts_rate_limited',
      `All upstream accounts are rate limited; try again in ${retryAfterSeconds} s`,
      { retryAfterSeconds },
    )
  }
  if (failure.reason === 'bad_answer' || failure.reason === 'account_refused') {
    return new GatewayError('upstream_failed', 'No upstream account could answer this request')
  }
  const retryAfterSeconds = Math.ceil(failure.cooldownMs / 1000)
  return new GatewayError(
    'accounts_unavailable',
    `All upstream accounts failed; try again in ${retryAfterSeconds} s`,
    { retryAfterSeconds },
  )
}
