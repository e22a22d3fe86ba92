/** Keeps the decision trace of a request while it runs, and packs it for the store. */

import { z } from 'zod'
import { type Affinity, affinities } from '../../domain/affinity.ts'
import type { Bill } from '../../domain/bill.ts'
import { type End, ends, type PassedOver, type RequestTrace } from '../../domain/request-trace.ts'
import { storedBill } from './stored-bill.ts'

/** The trace of a request that has not ended. */
export interface Trace extends Omit<RequestTrace, 'end' | 'tookMs'> {
  /** Durations are counted from here. */
  receivedMonotonicMs: number
}

const maxPassedOver = 40

/**
 * @param stream null where the body was not read.
 * @param received when the request came, by both clocks.
 */
export function startTrace(
  requestId: string,
  stream: boolean | null,
  received: { atMs: number; monotonicMs: number },
): Trace {
  return {
    requestId,
    receivedAtMs: received.atMs,
    receivedMonotonicMs: received.monotonicMs,
    stream,
    queuedMs: 0,
    affinity: 'none',
    passedOver: [],
    attempts: [],
    sessionMoves: 0,
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

/** The trace of a request that ends now. */
export function endTrace(trace: Trace, end: End, nowMonotonicMs: number): RequestTrace {
  const { receivedMonotonicMs, ...rest } = trace
  return { ...rest, end, tookMs: nowMonotonicMs - receivedMonotonicMs }
}

/** Who asked: all that is known of a request that left no trace. */
interface Asker extends Pick<RequestTrace, 'requestId' | 'receivedAtMs'> {
  keyId: string
  platform: string
  /** How its cost was found, where it has one. */
  bill?: Bill
  /** What its caller was told, where no account was asked. */
  refusal?: { code: string; message: string }
}

/** The text that the store keeps. */
export const packTrace = (asker: Asker, trace: RequestTrace | undefined): string =>
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
  queuedMs: count,
  affinity: z.preprocess(renamed(oldAffinities), z.enum(affinities)).nullable().catch(null),
  end: z.preprocess(renamed(oldEnds), z.enum(ends)).nullable().catch(null),
  bill: storedBill,
  refusal: z.object({ code: z.string(), message: z.string() }).nullable().catch(null),
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
