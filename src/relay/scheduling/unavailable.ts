/** Unavailable: what a caller is answered when every account failed, is cooling down or is at capacity. */
import type { AccountFailure, FailureReason } from '../../domain/account-failure.ts'
import { type ErrorCode, GatewayError } from '../../errors.ts'

/** Why no account can serve: those that were passed over, by reason, and those that failed this request. */
export interface NoAccountAvailable {
  /** When the first of those passed over is available again by itself; 0 when time ends none of the reasons. */
  soonestMs: number
  /** Of these, `limited`, `overloaded` and `refused` for that reason. */
  cooling: number
  limited: number
  overloaded: number
  refused: number
  atCapacity: number
  overQuota: number
  nowMs: number
  /** Only one account can serve it, and this tells of that. */
  isBound?: boolean
  /** The last failure of each account that was tried. */
  failed: FailedAttempt[]
}

export interface FailedAttempt {
  failure: AccountFailure
  /** When the account is tried again; 0 where the store could not say. */
  cooldownUntilMs: number
}

/** In words, as in "All upstream accounts are …". */
const causes = {
  limited: 'rate limited',
  over_quota: 'over their quota of the day',
  overloaded: 'overloaded',
  failing: 'failing',
  unusable: 'giving no usable answer',
  refused: 'refused by their vendor',
  busy: 'at capacity',
} as const
type Cause = keyof typeof causes

const causeOf: Partial<Record<FailureReason, Cause>> = {
  rate_limited: 'limited',
  overloaded: 'overloaded',
  account_refused: 'refused',
  credential_unreadable: 'refused',
  bad_answer: 'unusable',
  unsupported_by_account: 'unusable',
}

/** The first row that names every cause is the answer; any other mixture is `accounts_unavailable`. */
const answers: [ErrorCode, readonly Cause[]][] = [
  ['accounts_refused', ['refused']],
  // A repeat would meet the same again.
  ['upstream_failed', ['refused', 'unusable']],
  ['accounts_over_quota', ['over_quota']],
  ['accounts_rate_limited', ['limited', 'over_quota']],
  ['accounts_overloaded', ['overloaded']],
]

const finalMessages: Partial<Record<ErrorCode, string>> = {
  accounts_refused:
    'The vendor refuses the credential of every upstream account of this gateway; an administrator has to renew the key of the account',
  upstream_failed: 'No upstream account could answer this request',
}

/** Nobody was passed over. */
export const noOthers = {
  soonestMs: 0,
  cooling: 0,
  limited: 0,
  overloaded: 0,
  refused: 0,
  atCapacity: 0,
  overQuota: 0,
}

/** The refusal, with the soonest time at which a repeat can succeed; never which account, and never its words. */
export function unavailable(none: NoAccountAvailable): GatewayError {
  const present = causesOf(none)
  const [code] = answers.find(([, row]) => present.every((cause) => row.includes(cause))) ?? [
    'accounts_unavailable' as const,
  ]
  const finalMessage = finalMessages[code]
  if (finalMessage !== undefined) return new GatewayError(code, finalMessage)
  const soonestMs = soonest([
    none.soonestMs,
    ...none.failed.map(({ cooldownUntilMs }) => cooldownUntilMs),
  ])
  const isSoon = none.atCapacity > 0 || soonestMs === 0
  const retryAfterSeconds = isSoon ? 1 : secondsUntil(soonestMs, none.nowMs)
  const states = present.map((cause) => causes[cause]).join(' or ')
  const subject = none.isBound
    ? 'The upstream account that this request is bound to is'
    : 'All upstream accounts are'
  const message = `${subject} ${states}; try again in ${retryAfterSeconds} s`
  return new GatewayError(code, message, { retryAfterSeconds })
}

/** Every cause that keeps an account from serving, in the order of the table. */
function causesOf(none: NoAccountAvailable): Cause[] {
  const { cooling, limited, overloaded, refused, atCapacity, overQuota, failed } = none
  const found = new Set(failed.map(({ failure }) => causeOf[failure.reason] ?? 'failing'))
  const passedOver: [Cause, number][] = [
    ['limited', limited],
    ['over_quota', overQuota],
    ['overloaded', overloaded],
    ['failing', cooling - limited - overloaded - refused],
    ['refused', refused],
    ['busy', atCapacity],
  ]
  for (const [cause, count] of passedOver) if (count > 0) found.add(cause)
  if (found.size === 0) found.add('failing')
  return (Object.keys(causes) as Cause[]).filter((cause) => found.has(cause))
}

const soonest = (times: number[]) => {
  const known = times.filter((ms) => ms > 0)
  return known.length > 0 ? Math.min(...known) : 0
}

/** Whole seconds, at least one. */
export function secondsUntil(thenMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((thenMs - nowMs) / 1000))
}
