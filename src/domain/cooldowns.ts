/** Cooldowns: what cools down after a failed attempt, and for how long. */
import type { AccountFailure, CooldownScope, FailureReason } from './account-failure.ts'

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
  rate_limited: ['family', 5 * minute, 60 * minute],
  account_refused: ['account', 30 * minute, 30 * minute],
  credential_unreadable: ['account', 30 * minute, 30 * minute],
  // This account does not serve such a request, and another may: nothing cools down.
  unsupported_by_account: ['none', 0, 0],
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
])
const maxOnlyAccountCooldownMs = 15 * second

/**
 * The longest cooldown for a failure while no other account is available: transient errors are
 * capped at 15 s. In milliseconds; 0 = no cap.
 */
export const onlyAccountCooldownMs = ({ reason, untilMs }: AccountFailure): number =>
  transient.has(reason) && untilMs === 0 ? maxOnlyAccountCooldownMs : 0
