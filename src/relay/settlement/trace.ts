/** The decision trace: who was considered, why not, which attempts ran and how they ended. */

import { z } from 'zod'
import { type Affinity, affinities } from '../../domain/affinity.ts'

/**
 * How a request ended: `complete`; `upstream_truncated` by the upstream; `client_aborted` by its client; `refused` by the
 * upstream for its own fault; `timed_out`, a JSON answer that took too long; `failed`, every account
 * that was tried; `rejected`, no account could be tried.
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
  /** How the account rests for it, in milliseconds since the epoch. */
  cooldownUntilMs?: number
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
  /** Null until it has ended. */
  end: End | null
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
export function endTrace(trace: Trace, end: End, nowMs: number): Trace {
  return { ...trace, end, tookMs: nowMs - trace.receivedAtMs }
}

/** Who asked: all that is known of a request that left no trace. */
interface Asker extends Pick<Trace, 'requestId' | 'receivedAtMs'> {
  keyId: string
  platform: string
}

/** The text that the store keeps. */
export const packTrace = (asker: Asker, trace: Trace | undefined): string =>
  JSON.stringify({ ...asker, ...trace })

const text = z.string().nullable().catch(null)
const count = z.int().min(0).nullable().catch(null)
const listOf = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .array(z.unknown())
    .catch([])
    .transform((list) =>
      list.flatMap((entry) => {
        const { success, data } = schema.safeParse(entry)
        return success ? [data] : []
      }),
    )

/** Names that traces of version 0.1 still carry, until they expire two days after the upgrade. */
const oldEnds = new Map<unknown, End>([
  ['cut', 'upstream_truncated'],
  ['left', 'client_aborted'],
  ['overdue', 'timed_out'],
  ['unserved', 'rejected'],
])
const oldAffinities = new Map<unknown, Affinity>([
  ['home', 'primary'],
  ['away', 'fallback'],
])
const withNewNames = (attempt: unknown) =>
  typeof attempt === 'object' && attempt !== null && 'restsUntilMs' in attempt
    ? { cooldownUntilMs: attempt.restsUntilMs, ...attempt }
    : attempt
const renamed = (names: Map<unknown, string>) => (value: unknown) => names.get(value) ?? value

const Kept = z.object({
  requestId: text,
  keyId: text,
  platform: text,
  receivedAtMs: count,
  tookMs: count,
  stream: z.boolean().nullable().catch(null),
  affinity: z.preprocess(renamed(oldAffinities), z.enum(affinities)).nullable().catch(null),
  end: z.preprocess(renamed(oldEnds), z.enum(ends)).nullable().catch(null),
  passedOver: listOf(z.object({ accountId: z.string(), why: z.string(), untilMs: count })),
  attempts: listOf(
    z.preprocess(
      withNewNames,
      z.object({
        accountId: z.string(),
        model: text,
        afterMs: count,
        tookMs: count,
        outcome: text,
        status: count,
        cooldownUntilMs: count,
      }),
    ),
  ),
})

/** Reads what `packTrace` wrote, now or in another version; what cannot be made out is null or left out. */
export function unpackTrace(packed: string | null | undefined): z.infer<typeof Kept> {
  try {
    return Kept.parse(JSON.parse(packed ?? ''))
  } catch {
    return Kept.parse({})
  }
}
