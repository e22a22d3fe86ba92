/** Decides which answers are the account's fault, what cools down and for how long; others are the caller's. */
import type { AccountFailure, CooldownScope, FailureReason } from '../../domain/account-failure.ts'
import { accountFailure } from '../../domain/cooldowns.ts'
import type { UpstreamError } from '../../domain/upstream-error.ts'
import type { HeaderReader } from '../../http-message.ts'
import { parseJson } from '../../json.ts'
import type { FailedAnswer } from '../platform.ts'
import { type ErrorVerdict, mayDifferElsewhere, verdictOf } from './refusals.ts'
import { isFastModeLimit, limitedScope, namedEndMs, resetMs, retryAfterMs } from './reset-time.ts'
import { readError, type WireError } from './wire-error.ts'

interface Evidence {
  headers: HeaderReader
  body: string
  error: WireError | undefined
  verdict: ErrorVerdict | undefined
  rateLimitMs: number
  nowMs: number
}

/**
 * Classifies an answer without a usable reply: any status but success, or a success whose JSON is
 * an error. What the body says of the account counts whatever the status.
 * @param rateLimitMs longest cooldown of a rate limit that names no end.
 * @returns the account's failure, or undefined when the caller's request is at fault.
 */
export function classifyAnswer(
  answer: FailedAnswer,
  rateLimitMs: number,
  nowMs: number,
): AccountFailure | undefined {
  const { status, headers, body } = answer
  const error = readError(body)
  const verdict = error && verdictOf(error)
  const isErrorEvent = error !== undefined && status >= 200 && status < 300
  const reason = isErrorEvent ? reasonOfError(verdict) : reasonOfStatus(status, verdict, body)
  return reason && failureOf(reason, { headers, body, error, verdict, rateLimitMs, nowMs })
}

/**
 * Classifies an error that came with a success: as an event before the answer began (`error` of
 * Anthropic's, of OpenAI's `response.failed`, or OpenAI's own `error` event), or as a JSON body.
 * @param error the object with `type`, `code` and `message`; fields that name a reset count too.
 * @param rateLimitMs longest cooldown of a rate limit that names no end.
 * @returns the account's failure, or undefined when the caller's request is at fault.
 */
export function classifyErrorEvent(
  error: UpstreamError,
  rateLimitMs: number,
  nowMs: number,
): AccountFailure | undefined {
  const body = JSON.stringify({ error })
  return classifyAnswer({ status: 200, headers: new Headers(), body }, rateLimitMs, nowMs)
}

const reasonOfVerdict: Record<ErrorVerdict, FailureReason | undefined> = {
  refused: 'account_refused',
  over_quota: 'account_refused',
  account_limited: 'rate_limited',
  limited: 'rate_limited',
  overloaded: 'overloaded',
  unsupported_by_account: 'unsupported_by_account',
  foreign_content: undefined,
  no_model: undefined,
  too_large: undefined,
  caller_fault: undefined,
}

/** An unknown error counts as the vendor's failure, because it had accepted the request. */
function reasonOfError(verdict: ErrorVerdict | undefined): FailureReason | undefined {
  return verdict === undefined ? 'overloaded' : reasonOfVerdict[verdict]
}

function reasonOfStatus(
  status: number,
  verdict: ErrorVerdict | undefined,
  body: string,
): FailureReason | undefined {
  if (verdict === 'refused' || verdict === 'over_quota') return 'account_refused'
  if (status < 400) return 'bad_answer'
  const isForbiddenModel = verdict === 'no_model' && status === 403
  const isTooLarge = verdict === 'too_large' && status === 429
  if (verdict === 'unsupported_by_account' || isForbiddenModel || isTooLarge)
    return 'unsupported_by_account'
  // An HTML page comes from a firewall before the vendor, which may have objected to the request.
  if (status === 403 && /^\s*</.test(body)) return 'bad_answer'
  if (status === 401 || status === 402 || status === 403) return 'account_refused'
  if (status === 408) return 'timeout'
  if (status === 529) return 'overloaded'
  if (status >= 500) return (verdict && reasonOfVerdict[verdict]) ?? 'server_error'
  if (status === 429) return (verdict && reasonOfVerdict[verdict]) ?? 'rate_limited'
  // What is not JSON does not come from the vendor's API: the address is wrong.
  const isMissing = status === 404 || status === 405
  if (isMissing && parseJson(body) === undefined) return 'bad_answer'
  if (verdict === 'foreign_content') return 'foreign_content'
  const reason = verdict && reasonOfVerdict[verdict]
  if (reason) return reason
  return mayDifferElsewhere(body, verdict) ? 'unsupported_by_account' : undefined
}

function failureOf(reason: FailureReason, evidence: Evidence): AccountFailure {
  const { headers, body, error, verdict, nowMs } = evidence
  if (verdict === 'over_quota') {
    const untilMs = namedEndMs(headers, error, nowMs)
    return untilMs > 0 ? rateLimited('account', untilMs, evidence) : accountFailure(reason)
  }
  if (reason === 'rate_limited' && isFastModeLimit(headers, nowMs)) {
    return accountFailure('unsupported_by_account', resetMs(headers, body, nowMs))
  }
  if (reason === 'rate_limited') {
    // Headers say exactly which limit it is; the sentence is the same for all of them.
    const said = verdict === 'account_limited' ? 'account' : 'family'
    const scope = limitedScope(headers) ?? said
    return rateLimited(scope, resetMs(headers, body, nowMs), evidence)
  }
  const failure = accountFailure(reason)
  return reason === 'account_refused'
    ? failure
    : { ...failure, untilMs: requestedEndMs(failure, evidence) }
}

function rateLimited(
  scope: CooldownScope,
  untilMs: number,
  { rateLimitMs }: Evidence,
): AccountFailure {
  return { ...accountFailure('rate_limited', untilMs), scope, maxCooldownMs: rateLimitMs }
}

/** The end that `retry-after` asks for, within the reason's cooldowns; 0 when the first one is longer. */
function requestedEndMs(failure: AccountFailure, { headers, nowMs }: Evidence): number {
  const requestedMs = retryAfterMs(headers, nowMs)
  if (requestedMs <= nowMs + failure.cooldownMs) return 0
  return Math.min(requestedMs, nowMs + failure.maxCooldownMs)
}
