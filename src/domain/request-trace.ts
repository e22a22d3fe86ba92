/** The decision trace of a request: which accounts were considered, why not, which attempts ran and how they ended. */
import type { Affinity } from './affinity.ts'
import type { Usage } from './usage.ts'

/**
 * How a request ended: `complete`; `upstream_truncated`, the upstream broke off; `client_aborted`,
 * the client left; `refused`, the upstream refused the request itself; `timed_out`, a JSON answer took
 * too long; `failed`, every account that was tried failed; `rejected`, no account was asked: a
 * limit of the key, what the key may not do, or none was available.
 */
export const ends = [
  'complete',
  'upstream_truncated',
  'client_aborted',
  'refused',
  'timed_out',
  'failed',
  'rejected',
] as const
export type End = (typeof ends)[number]

/** One attempt at one account. */
export interface AttemptTrace {
  accountId: string
  /** Another than the client's when the account renames it. */
  model: string
  /** When it was sent, counted from the arrival of the request. */
  afterMs: number
  /** Until it was decided: an answer begun, or a failure. */
  tookMs: number
  /** `answer`, `stream`, `refusal`, `abandoned` …, or the reason of the failure. */
  outcome: string
  /** The upstream's; null without an answer. */
  status: number | null
  /** What the upstream reported of it although it failed. */
  usage?: Usage
  /** Until when the account cools down for it, in milliseconds since the epoch. */
  cooldownUntilMs?: number
}

/** An account that was passed over. */
export interface PassedOver {
  accountId: string
  why: string
  /** When that ends by itself, in milliseconds since the epoch. */
  untilMs?: number
}

/** What is kept of a request that has ended; nothing of what was asked or answered. */
export interface RequestTrace {
  requestId: string
  receivedAtMs: number
  /** Null where the body was not read. */
  stream: boolean | null
  /** How long it waited for its turn among requests of its key. */
  queuedMs: number
  affinity: Affinity
  passedOver: PassedOver[]
  attempts: AttemptTrace[]
  /** Moves of the session that this request made. */
  sessionMoves: number
  end: End
  /** From the arrival of the request to its end. */
  tookMs: number
}
