/** Which answers are the account's fault, and for how long it rests; everything else is the caller's. */
import { z } from 'zod'
import type { AccountFailure } from '../store/scripts/reassign.ts'

const second = 1_000
const minute = 60 * second

/** Ends that vendors name are believed up to here. */
const longestCooldownMs = 24 * 60 * minute

export type FailureReason =
  | 'connect_failed'
  | 'timeout'
  | 'server_error'
  | 'bad_answer'
  | 'overloaded'
  | 'rate_limited'
  | 'account_refused'
  | 'credential_unreadable'

/** First and longest cooldown by reason; it doubles with each failure in a row. */
const cooldowns: Record<FailureReason, [firstMs: number, maxMs: number]> = {
  connect_failed: [2 * second, 5 * minute],
  timeout: [2 * second, 5 * minute],
  server_error: [2 * second, 5 * minute],
  bad_answer: [2 * second, 5 * minute],
  overloaded: [15 * second, minute],
  rate_limited: [5 * minute, 60 * minute],
  account_refused: [30 * minute, 30 * minute],
  credential_unreadable: [30 * minute, 30 * minute],
}

/** A failure of the account, with the default cooldown of its reason. */
export function accountFailure(reason: FailureReason, untilMs = 0): AccountFailure {
  const [cooldownMs, maxCooldownMs] = cooldowns[reason]
  return { reason, untilMs, cooldownMs, maxCooldownMs }
}

/** Error types and codes by which vendors say that the account is refused, not the request. */
const refusalCodes = new Set([
  'authentication_error',
  'billing_error',
  'billing_hard_limit_reached',
  'insufficient_quota',
  'permission_error',
])

/** The same in words. Anchored: a message may go on to quote the caller, who must not forge one. */
const refusalSentences = [
  /^Your credit balance is too low/i,
  /^This organi[sz]ation has been disabled/i,
  /^(This|Your) account (has been|is) (disabled|suspended|deactivated)/i,
  /^You exceeded your current quota/i,
]

const errorOf = z.object({
  error: z.object({
    type: z.string().nullish().catch(undefined),
    code: z.string().nullish().catch(undefined),
    message: z.string().nullish().catch(undefined),
  }),
})

/** Whether an error body says that the account is disabled, out of credit or over its spend. */
export function refusesAccount(body: string): boolean {
  const { error } = errorOf.safeParse(parseJson(body)).data ?? {}
  if (!error) return false
  const { type, code, message } = error
  if (refusalCodes.has(type ?? '') || refusalCodes.has(code ?? '')) return true
  return refusalSentences.some((sentence) => sentence.test(message ?? ''))
}

/**
 * Judges an answer that is not a success.
 * @param rateLimitMs first cooldown after a 429 that names no end.
 * @returns the account's failure, or undefined when the caller's request is at fault.
 */
export function classifyAnswer(
  answer: { status: number; headers: Headers; body: string },
  rateLimitMs: number,
  nowMs: number,
): AccountFailure | undefined {
  const { status, headers, body } = answer
  if ((status === 400 || status === 429) && refusesAccount(body)) {
    return accountFailure('account_refused')
  }
  if (status === 429) {
    const failure = accountFailure('rate_limited', resetMs(headers, nowMs))
    return {
      ...failure,
      cooldownMs: rateLimitMs,
      maxCooldownMs: Math.max(rateLimitMs, 60 * minute),
    }
  }
  if (status === 401 || status === 402 || status === 403) return accountFailure('account_refused')
  if (status === 408) return accountFailure('timeout')
  if (status === 529) return accountFailure('overloaded')
  if (status >= 500) return accountFailure('server_error')
  if (status < 400) return accountFailure('bad_answer')
  // A page that is not JSON comes from something in front of the vendor: the address is wrong.
  if ((status === 404 || status === 405) && parseJson(body) === undefined) {
    return accountFailure('bad_answer')
  }
  return undefined
}

/** The moment that `retry-after` names (seconds or HTTP date, RFC 9110 §10.2.3), or 0. */
export function resetMs(headers: Headers, nowMs: number): number {
  const value = headers.get('retry-after')?.trim() ?? ''
  if (value === '') return 0
  const thenMs = /^\d+(\.\d+)?$/.test(value) ? nowMs + Number(value) * second : Date.parse(value)
  if (!Number.isFinite(thenMs) || thenMs <= nowMs) return 0
  return Math.round(Math.min(thenMs, nowMs + longestCooldownMs))
}

/** The parsed text, or undefined when it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
