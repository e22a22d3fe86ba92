/** What a failed attempt says about its account: the reason, what cools down, and for how long. */

/** Every reason an attempt can fail for; stable words that administrators and programs read. */
export const failureReasons = [
  'connect_failed',
  'proxy_failed',
  'timeout',
  'server_error',
  'bad_answer',
  'overloaded',
  'rate_limited',
  'account_refused',
  'credential_unreadable',
  'unsupported_by_account',
  'foreign_content',
] as const
export type FailureReason = (typeof failureReasons)[number]

/** What cools down: the whole account, the family of models that was asked for, or nothing. */
export type CooldownScope = 'account' | 'family' | 'none'

export interface AccountFailure {
  reason: FailureReason
  scope: CooldownScope
  /** The end that the vendor named, or 0: then the cooldown grows with each failure in a row. */
  untilMs: number
  cooldownMs: number
  maxCooldownMs: number
}
