/** What the usage ledger adds up for each key, account, model and period. */
import type { FailureReason } from './account-failure.ts'
import { rangeOf } from './histogram.ts'

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
  /** How often the account of the row was asked. */
  'attempts',
  /** Attempts of this request that failed before it was served; in the row of the request. */
  'failovers',
  /** Of requests that reached an upstream: all accounts failed; the upstream found fault with the request. */
  'failedRequests',
  'refusedRequests',
  /** Of served requests: the client left; the upstream broke off. */
  'abortedRequests',
  'truncatedRequests',
  /** What sessions that moved wrote to the cache of their new account again; contained in the other sums. */
  'moveCacheWriteTokens',
  'moveCacheWriteCostNanoUsd',
  /** Tokens of runs that shorten a conversation; contained in the other sums. */
  'compactionTokens',
  /** Attempts of the account of the row that failed, by reason; in rows without a key. */
  'failed_connect_failed',
  'failed_proxy_failed',
  'failed_timeout',
  'failed_server_error',
  'failed_bad_answer',
  'failed_overloaded',
  'failed_rate_limited',
  'failed_account_refused',
  'failed_credential_unreadable',
  'failed_unsupported_by_account',
  'failed_foreign_content',
  /** Streams by the time to the first content, and requests by their whole time, in the ranges of `histogramEndsMs`. */
  'firstToken0',
  'firstToken1',
  'firstToken2',
  'firstToken3',
  'firstToken4',
  'firstToken5',
  'firstToken6',
  'firstToken7',
  'firstToken8',
  'firstToken9',
  'firstToken10',
  'firstToken11',
  'duration0',
  'duration1',
  'duration2',
  'duration3',
  'duration4',
  'duration5',
  'duration6',
  'duration7',
  'duration8',
  'duration9',
  'duration10',
  'duration11',
] as const

export type SumField = (typeof sumFields)[number]
export type Sums = Record<SumField, number>

/** The sum of attempts that failed for a reason. */
export const failureField = (reason: FailureReason): SumField => `failed_${reason}`

/** What histograms there are, and the sums of their ranges. */
export const histograms = {
  firstToken: sumFields.filter((field) => field.startsWith('firstToken')),
  duration: sumFields.filter((field) => field.startsWith('duration')),
} as const

/** The sum of the range of a histogram that a duration falls into. */
export function histogramSum(
  histogram: keyof typeof histograms,
  durationMs: number,
): Partial<Sums> {
  const field = histograms[histogram][rangeOf(durationMs)]
  return field ? { [field]: 1 } : {}
}

/** The counters of a key keep sums of its day, its month and in total: of so many fields, from the first. */
export const keySumCount = 16
