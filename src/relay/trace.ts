/** The decision trace: who was considered, why not, which attempts ran and how they ended. */
import type { Affinity } from '../store/scripts/sticky.ts'

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
  /** How the account rests for it, in milliseconds since the epoch. */
  restsUntilMs?: number
}

/** An account that was passed over. */
export interface PassedOver {
  accountId: string
  why: string
  /** When that ends by itself, in milliseconds since the epoch. */
  untilMs?: number
}

/** What is kept of a decision; nothing of what was asked or answered. */
export interface Trace {
  requestId: string
  receivedAtMs: number
  stream: boolean
  affinity: Affinity
  passedOver: PassedOver[]
  attempts: AttemptTrace[]
  /** Moves of the session that this request made. */
  sessionMoves: number
  /** `complete`, `cut`, `left`, `refused` … once it has ended. */
  end: string | null
  tookMs: number | null
}

const maxPassedOver = 40

export function startTrace(requestId: string, stream: boolean, nowMs: number): Trace {
  return {
    requestId,
    receivedAtMs: nowMs,
    stream,
    affinity: 'none',
    passedOver: [],
    attempts: [],
    sessionMoves: 0,
    end: null,
    tookMs: null,
  }
}

/** Notes accounts that were passed over; what is said last of an account counts. */
export function notePassedOver(trace: Trace, list: PassedOver[]): void {
  for (const { accountId, why, untilMs } of list) {
    const known = trace.passedOver.findIndex((entry) => entry.accountId === accountId)
    if (known >= 0) trace.passedOver.splice(known, 1)
    trace.passedOver.push({ accountId, why, ...(untilMs ? { untilMs } : {}) })
  }
  trace.passedOver.splice(maxPassedOver)
}

/** Notes how the request came to an account. */
export function noteAffinity(trace: Trace, affinity: Affinity): void {
  trace.affinity = affinity
  if (affinity === 'moved' || affinity === 'returned') trace.sessionMoves++
}

/** The finished trace, as the store and the log keep it. */
export function endTrace(trace: Trace, end: string, nowMs: number): Trace {
  return { ...trace, end, tookMs: nowMs - trace.receivedAtMs }
}
