/** Cooldowns: what cools down after a failed attempt, and for how long. */
import {
  type AccountFailure,
  type CooldownScope,
  type FailureReason,
  failureReasons,
} from './account-failure.ts'

const second = 1_000
const minute = 60 * second

/**
 * By reason: what cools down, and the first and longest cooldown, which doubles with each failure in
 * a row. Vendors count rate limits and report overload per family of models.
 */
const cooldowns: Record<FailureReason, [scope: CooldownScope, firstMs: number, maxMs: number]> = {
  connect_failed: ['account', 2 * second, 5 * minute],
  proxy_failed: ['account', 2 * second, 5 * minute],
  timeout: ['account', 2 * second, 5 * minute],
  server_error: ['account', 2 * second, 5 * minute],
  bad_answer: ['account', 2 * second, 5 * minute],
  overloaded: ['family', 15 * second, minute],
  // Of a limit that names no end; an account has a longest cooldown of its own.
  rate_limited: ['family', second, 5 * minute],
  account_refused: ['account', 30 * minute, 30 * minute],
  credential_unreadable: ['account', 30 * minute, 30 * minute],
  // This account does not serve such a request, and another may: nothing cools down.
  unsupported_by_account: ['none', 0, 0],
  // The conversation holds what only the account that issued it can open.
  foreign_content: ['none', 0, 0],
}

/**
 * A failure of the account, with the scope and the cooldown of its reason.
 * @param untilMs the end that the vendor named, in epoch ms, or 0.
 */
export function accountFailure(reason: FailureReason, untilMs = 0): AccountFailure {
  const [scope, cooldownMs, maxCooldownMs] = cooldowns[reason]
  return { reason, scope, untilMs, cooldownMs, maxCooldownMs }
}

/** Failures that may be over at any moment, although their cooldowns grow to minutes. */
const transient = new Set<FailureReason>([
  'connect_failed',
  'proxy_failed',
  'timeout',
  'server_error',
  'bad_answer',
  'overloaded',
])

/** A cooldown that doubles with each failure in a row. */
export interface GrowingCooldown {
  cooldownMs: number
  maxCooldownMs: number
}

/**
 * The cooldown of an account that no other can stand in for, after a failure that may be over at any
 * moment and named no end: about as long as a client would wait that calls the vendor directly.
 * Undefined: it is as long as it would be among others.
 */
export function onlyAccountCooldown(failure: AccountFailure): GrowingCooldown | undefined {
  if (failure.untilMs > 0) return undefined
  if (isTransient(failure)) return { cooldownMs: second / 2, maxCooldownMs: 5 * second }
  if (failure.reason !== 'rate_limited') return undefined
  return { cooldownMs: second / 2, maxCooldownMs: 15 * second }
}

/** How a cooldown that names no end grows, among other accounts and for the only one that is left. */
export interface CooldownRule {
  reason: FailureReason
  /** The first cooldown. A longest one is a number of whole minutes, maybe the account's own. */
  firstMs: number
  only: GrowingCooldown
}

/** The rule of each reason whose cooldown is shorter for the only account that is left. */
export const onlyAccountRules: readonly CooldownRule[] = failureReasons.flatMap((reason) => {
  const failure = accountFailure(reason)
  const only = onlyAccountCooldown(failure)
  return only ? [{ reason, firstMs: failure.cooldownMs, only }] : []
})

/** Whether the same account may answer the same request when it is asked again soon. */
export function isTransient({ reason }: AccountFailure): boolean {
  return transient.has(reason)
}
