/** Which answers are the account's fault, what of it rests and for how long; others are the caller's. */
import type { AccountFailure, CooldownScope, FailureReason } from '../../domain/account-failure.ts'
import { parseJson } from '../../json.ts'
import { type ErrorVerdict, readError, verdictOf, type WireError } from './refusals.ts'
import { limitsAccount, namedEndMs, resetMs, retryAfterMs } from './reset-time.ts'

const second = 1_000
const minute = 60 * second

/**
 * By reason: what rests, and the first and longest cooldown, which doubles with each failure in a
 * row. Vendors count rate limits and find themselves overloaded per family of models.
 */
const rests: Record<FailureReason, [scope: CooldownScope, firstMs: number, maxMs: number]> = {
  connect_failed: ['account', 2 * second, 5 * minute],
  proxy_failed: ['account', 2 * second, 5 * minute],
  timeout: ['account', 2 * second, 5 * minute],
  server_error: ['account', 2 * second, 5 * minute],
  bad_answer: ['account', 2 * second, 5 * minute],
  overloaded: ['family', 15 * second, minute],
  rate_limited: ['family', 5 * minute, 60 * minute],
  account_refused: ['account', 30 * minute, 30 * minute],
  credential_unreadable: ['account', 30 * minute, 30 * minute],
  // This account does not serve such a request, and another may: nobody rests for it.
  unsupported_by_account: ['none', 0, 0],
}

/** A failure of the account, with the scope and the cooldown of its reason. */
export function accountFailure(reason: FailureReason, untilMs = 0): AccountFailure {
  const [scope, cooldownMs, maxCooldownMs] = rests[reason]
  return { reason, scope, untilMs, cooldownMs, maxCooldownMs }
}

/** What may be over at any moment, and grows to minutes all the same. */
const passing = new Set<FailureReason>([
  'connect_failed',
  'proxy_failed',
  'timeout',
  'server_error',
  'bad_answer',
])
const longestLoneMs = 15 * second

/** How long an account rests at most for a failure while no other is free; 0 = no such bound. */
export const loneCooldownMs = ({ reason, untilMs }: AccountFailure): number =>
  passing.has(reason) && untilMs === 0 ? longestLoneMs : 0

/** An answer as judged here: `body` is its text, empty when it could not be read. */
export interface JudgedAnswer {
  status: number
  headers: Headers
  body: string
}

interface Evidence {
  headers: Headers
  body: string
  error: WireError | undefined
  verdict: ErrorVerdict | undefined
  rateLimitMs: number
  nowMs: number
}

/**
 * Judges an answer that holds no usable reply: any status but success, or a success whose JSON is
 * an error. What the body says of the account counts whatever the status.
 * @param rateLimitMs first cooldown of a rate limit that names no end.
 * @returns the account's failure, or undefined when the caller's request is at fault.
 */
export function classifyAnswer(
  answer: JudgedAnswer,
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
 * Judges an error that came with a success: as an event before the answer began (`error` of
 * Anthropic's, of OpenAI's `response.failed`, or OpenAI's own `error` event), or as a JSON body.
 * @param error the object with `type`, `code` and `message`; fields that name a reset count too.
 * @param rateLimitMs first cooldown of a rate limit that names no end.
 * @returns the account's failure, or undefined when the caller's request is at fault.
 */
export function classifyErrorEvent(
  error: { type?: unknown; code?: unknown; message?: unknown },
  rateLimitMs: number,
  nowMs: number,
): AccountFailure | undefined {
  const body = JSON.stringify({ error })
  return classifyAnswer({ status: 200, headers: new Headers(), body }, rateLimitMs, nowMs)
}

const reasonOfVerdict: Record<ErrorVerdict, FailureReason | undefined> = {
  refused: 'account_refused',
  spent: 'account_refused',
  account_limited: 'rate_limited',
  limited: 'rate_limited',
  overloaded: 'overloaded',
  unsuited: 'unsupported_by_account',
  no_model: undefined,
  too_large: undefined,
  caller: undefined,
}

/** An error that says nothing known means that the vendor failed: the request had been accepted. */
function reasonOfError(verdict: ErrorVerdict | undefined): FailureReason | undefined {
  return verdict === undefined ? 'overloaded' : reasonOfVerdict[verdict]
}

function reasonOfStatus(
  status: number,
  verdict: ErrorVerdict | undefined,
  body: string,
): FailureReason | undefined {
  if (verdict === 'refused' || verdict === 'spent') return 'account_refused'
  if (status < 400) return 'bad_answer'
  const isForbiddenModel = verdict === 'no_model' && status === 403
  if (verdict === 'unsuited' || isForbiddenModel) return 'unsupported_by_account'
  // A page comes from something in front of the vendor, which may dislike what the caller wrote.
  if (status === 403 && /^\s*</.test(body)) return 'bad_answer'
  if (status === 401 || status === 402 || status === 403) return 'account_refused'
  if (status === 408) return 'timeout'
  if (status === 529) return 'overloaded'
  if (status >= 500) return (verdict && reasonOfVerdict[verdict]) ?? 'server_error'
  if (status === 429 && verdict === 'too_large') return undefined
  if (status === 429) return (verdict && reasonOfVerdict[verdict]) ?? 'rate_limited'
  // A page that is not JSON comes from something in front of the vendor: the address is wrong.
  const isMissing = status === 404 || status === 405
  return isMissing && parseJson(body) === undefined ? 'bad_answer' : undefined
}

function failureOf(reason: FailureReason, evidence: Evidence): AccountFailure {
  const { headers, body, error, verdict, nowMs } = evidence
  if (verdict === 'spent') {
    const untilMs = namedEndMs(headers, error, nowMs)
    return untilMs > 0 ? rateLimited('account', untilMs, evidence) : accountFailure(reason)
  }
  if (reason === 'rate_limited') {
    const isOfAccount = verdict === 'account_limited' || limitsAccount(headers)
    return rateLimited(isOfAccount ? 'account' : 'family', resetMs(headers, body, nowMs), evidence)
  }
  const failure = accountFailure(reason)
  return reason === 'account_refused' ? failure : { ...failure, untilMs: wished(failure, evidence) }
}

function rateLimited(
  scope: CooldownScope,
  untilMs: number,
  { rateLimitMs }: Evidence,
): AccountFailure {
  const failure = accountFailure('rate_limited', untilMs)
  const maxCooldownMs = Math.max(rateLimitMs, failure.maxCooldownMs)
  return { ...failure, scope, cooldownMs: rateLimitMs, maxCooldownMs }
}

/** The end that `retry-after` wishes, within the reason's cooldowns: a shorter one would not grow. */
function wished(failure: AccountFailure, { headers, nowMs }: Evidence): number {
  const wishedMs = retryAfterMs(headers, nowMs)
  if (wishedMs <= nowMs + failure.cooldownMs) return 0
  return Math.min(wishedMs, nowMs + failure.maxCooldownMs)
}
