/** Unavailable: what a caller is answered when every account failed, is cooling down or is at capacity. */
import type { AccountFailure } from '../../domain/account-failure.ts'
import { type ErrorCode, GatewayError } from '../../errors.ts'

/** Why no account can serve: those that were passed over, by reason, and those that failed this request. */
export interface NoAccountAvailable {
  /** When the first of those passed over is available again by itself; 0 when time ends none of the reasons. */
  soonestMs: number
  cooling: number
  limited: number
  atCapacity: number
  overQuota: number
  nowMs: number
  failed: FailedAttempt[]
}

export interface FailedAttempt {
  failure: AccountFailure
  /** When the account is tried again; 0 where the store could not say. */
  cooldownUntilMs: number
}

/** Failures that a repeat of the same request would meet again. */
const permanent = new Set(['bad_answer', 'account_refused', 'credential_unreadable'])

/** The refusal, with the soonest time at which a repeat can succeed; never which account, and never its words. */
export function unavailable(none: NoAccountAvailable): GatewayError {
  const { atCapacity, nowMs } = none
  const failures = none.failed.map(({ failure }) => failure)
  const passedOver = none.cooling + atCapacity + none.overQuota
  if (passedOver === 0 && failures.length > 0 && failures.every((f) => permanent.has(f.reason))) {
    return new GatewayError('upstream_failed', 'No upstream account could answer this request')
  }
  const soonestMs = soonest([
    none.soonestMs,
    ...none.failed.map(({ cooldownUntilMs }) => cooldownUntilMs),
  ])
  const retryAfterSeconds = atCapacity > 0 || soonestMs === 0 ? 1 : secondsUntil(soonestMs, nowMs)
  const [code, state] = stateOf(none)
  return new GatewayError(
    code,
    `All upstream accounts ${state}; try again in ${retryAfterSeconds} s`,
    { retryAfterSeconds },
  )
}

function stateOf({
  cooling,
  limited,
  atCapacity,
  overQuota,
  failed,
}: NoAccountAvailable): [ErrorCode, string] {
  const isLimited = ({ failure }: FailedAttempt) => failure.reason === 'rate_limited'
  const others =
    cooling - limited + atCapacity + failed.filter((attempt) => !isLimited(attempt)).length
  if (others > 0) {
    return ['accounts_unavailable', failed.length > 0 ? 'failed' : 'are busy or recovering']
  }
  const isSpent = overQuota > 0 && limited + failed.length === 0
  if (isSpent) return ['accounts_over_quota', 'have spent their quota of the day']
  return ['accounts_rate_limited', 'are rate limited']
}

const soonest = (times: number[]) => {
  const known = times.filter((ms) => ms > 0)
  return known.length > 0 ? Math.min(...known) : 0
}

/** Whole seconds, at least one. */
export function secondsUntil(thenMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((thenMs - nowMs) / 1000))
}
