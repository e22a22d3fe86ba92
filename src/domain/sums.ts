/** What the usage ledger adds up for each key, account, model and period. */

/** The names in the order of the packed text; append only, as older text has fewer fields. */
export const sumFields = [
  'requests',
  'inputTokens',
  'outputTokens',
  'cacheWrite5mTokens',
  'cacheWrite1hTokens',
  'cacheReadTokens',
  'webSearchRequests',
  'costNanoUsd',
  /** Requests whose unseen output was estimated. */
  'estimatedRequests',
  /** Requests whose process ended without settling them: charged at their reservation. */
  'orphanedRequests',
  'orphanedCostNanoUsd',
  /** Requests of a model without a known price: tokens counted, cost zero. */
  'unpricedRequests',
  /** How often a session was moved to another account than the one that served it before. */
  'sessionMoves',
  'cacheWrite30mTokens',
  'cacheWrite12hTokens',
  /** Part of `outputTokens`. */
  'reasoningTokens',
] as const

export type Sums = Record<(typeof sumFields)[number], number>
