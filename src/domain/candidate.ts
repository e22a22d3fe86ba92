/** Candidates: the accounts that could serve a request, and why some of them cannot at the moment. */
import { failureReasons } from './account-failure.ts'

/** An account that could serve the request, as the scripts see it. */
export interface Candidate {
  accountId: string
  /** Lower is served first. */
  priority: number
  /** Requests in flight at most; 0 = no limit. */
  maxConcurrency: number
  /** A number that it shares with the accounts of its organisation; undefined where none is known. */
  organisation?: number | undefined
  /** Of the model that this account would be asked for. */
  family: string
  /** What its day may cost; 0 = no limit. */
  quotaNanoUsd: number
  /** The account's present day, and when it ends. */
  quotaDay: string
  quotaEndsMs: number
}

/** Why a candidate cannot serve now: a limit, a probe that another request makes, or its cooldown. */
const skipReasons = [
  'at_capacity',
  'over_quota',
  'quota_reserved',
  'probing',
  ...failureReasons,
] as const
export type SkipReason = (typeof skipReasons)[number]

/** A candidate that could not serve: why, and when that ends by itself (0: not known). */
export interface SkippedCandidate {
  accountId: string
  why: SkipReason
  untilMs: number
}
