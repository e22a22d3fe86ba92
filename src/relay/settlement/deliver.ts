/** Deliver: brings a settlement to the store exactly once, however often that fails. */
import { z } from 'zod'
import { sleep } from '../../clock.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { parseJson } from '../../json.ts'
import { bucketsAt } from '../../ledger/calendar.ts'
import { ttl } from '../../store/keyspace.ts'
import { isPackedSums } from '../../store/records/sums.ts'
import { schemaVersion } from '../../store/schema.ts'
import { type SettleInput, type SettleReply, settleScript } from '../../store/scripts/settle.ts'
import { tellHealthChanges } from '../scheduling/health-events.ts'

const firstRetryMs = 100
const longestRetryMs = 10_000
/** Without a journal: about as long as a host lets work go on after its request. */
const patienceMs = 20_000
/** A store that answers, and refuses the same settlement this often, will refuse it for ever. */
const maxRefusals = 5
/** Once for a clock of this host that is wrong, and again for an hour that ends meanwhile. */
const maxClockCorrections = 3

/** Writes a settlement to the journal. A disk that fails must not keep it from being sent. */
export async function writeToJournal({ runtime }: Gateway, input: SettleInput): Promise<void> {
  const { ledgerId } = input
  try {
    await runtime.journal?.put(ledgerId, packEntry(input), runtime.now())
  } catch (error) {
    runtime.observe({ type: 'journal_failed', ledgerId, error })
  }
}

/** What every version has written; an entry without it was damaged. */
const Entry = z.looseObject({
  ledgerId: z.string(),
  keyId: z.string(),
  // Sums that the store refuses half-way would be lost: a repeat finds the request ended.
  amounts: z.string().refine(isPackedSums),
  costNanoUsd: z.int(),
  buckets: z.looseObject({ day: z.string() }),
  rows: z
    .array(z.looseObject({ amounts: z.string().refine(isPackedSums), costNanoUsd: z.int() }))
    .optional(),
})

/** Fields of an entry that are no part of the input, or have another name there by now. */
interface OldFields {
  format?: number
  platform: string
}

const packEntry = (input: SettleInput) => JSON.stringify({ format: schemaVersion, ...input })

/**
 * A settlement as it was journaled, maybe by an older version that did not know every field.
 * @returns undefined for an entry that is damaged or was written by a gateway of a newer format.
 */
export function fromJournal(payload: string): SettleInput | undefined {
  const entry = parseJson(payload)
  if (!Entry.safeParse(entry).success) return undefined
  const { format = 1, platform, ...stored } = entry as SettleInput & OldFields
  if (format > schemaVersion) return undefined
  return {
    ...stored,
    poolId: stored.poolId ?? platform,
    ledgerModel: stored.ledgerModel ?? stored.model,
    family: stored.family ?? 'other',
    quotaDay: stored.quotaDay ?? stored.buckets.day.slice('day:'.length),
    trace: stored.trace ?? '',
    issuedAffinities: stored.issuedAffinities ?? [],
    keepMs: stored.keepMs ?? ttl.requestMs,
  }
}

/**
 * Sends a settlement until the store has it, or until only the journal keeps it. What the store itself
 * refuses again and again is set aside: it is logged with its receipt, and stays in the journal.
 */
export async function deliver(gateway: Gateway, input: SettleInput): Promise<void> {
  const { runtime } = gateway
  const { ledgerId, kind } = input
  const isJournaled = runtime.journal !== undefined && kind !== 'orphan'
  const endsMonotonicMs = runtime.monotonicMs() + (isJournaled ? ttl.journalMs : patienceMs)
  let refusals = 0
  for (let delayMs = firstRetryMs; ; delayMs = Math.min(2 * delayMs, longestRetryMs)) {
    try {
      const reply = await settleNow(gateway, input)
      // An orphan stands for a receipt that may still be in the journal: it has its own entry to end.
      if (isJournaled) runtime.journal?.remove(ledgerId)
      runtime.observe({ type: 'settled', ledgerId, kind, reply: reply.kind })
      tellHealthChanges(runtime, input.poolId, reply.healthChanges)
      return
    } catch (error) {
      if (delayMs === firstRetryMs) {
        runtime.observe({ type: 'settlement_delayed', ledgerId, kind, error })
        if (isJournaled) await keepInJournal(gateway, input)
      }
      if (!isOutage(error)) refusals++
      const isOver = runtime.monotonicMs() + delayMs > endsMonotonicMs
      if (isOver || refusals >= maxRefusals) {
        // The last copy where there is no journal; the expired lease is charged as an orphan.
        const receipt = JSON.stringify(input)
        runtime.observe({ type: 'settlement_undelivered', ledgerId, receipt, error })
        return
      }
    }
    await sleep(runtime, delayMs)
  }
}

/** A settlement belongs to the hour in which it is made, as the store's clock has it: not to that of its request. */
async function settleNow(
  { runtime, keyspace }: Gateway,
  input: SettleInput,
): Promise<Exclude<SettleReply, { kind: 'otherHour' }>> {
  let nowMs = runtime.now()
  for (let attempts = 0; attempts < maxClockCorrections; attempts++) {
    const buckets = bucketsAt(nowMs, runtime.config.TIMEZONE)
    const reply = await settleScript(runtime.redis, keyspace, { ...input, buckets })
    if (reply.kind !== 'otherHour') return reply
    nowMs = reply.nowMs
  }
  throw new GatewayError('store_unavailable', 'The clock of the store does not stand still')
}

/** The store cannot serve now, or has another format; any other error is about this settlement. */
const isOutage = (error: unknown) => error instanceof GatewayError

/** Writes what is not in the journal yet. What is keeps its age: the marker that makes a repeat safe is not kept for ever. */
async function keepInJournal(gateway: Gateway, input: SettleInput): Promise<void> {
  if (readJournal(gateway, input.ledgerId) === undefined) await writeToJournal(gateway, input)
}

/** The journaled settlement of a request; a disk that fails has none. */
export function readJournal({ runtime }: Gateway, ledgerId: string): string | undefined {
  try {
    return runtime.journal?.get(ledgerId)
  } catch (error) {
    runtime.observe({ type: 'journal_failed', ledgerId, error })
    return undefined
  }
}

/** Sends journaled settlements that an earlier process could not deliver; what cannot be read is reported. */
export async function replayJournal(gateway: Gateway, maxAgeMs: number): Promise<void> {
  const { runtime } = gateway
  for (const { ledgerId, payload, createdAtMs } of runtime.journal?.pending() ?? []) {
    const input = fromJournal(payload ?? '')
    if (payload !== undefined && runtime.now() - createdAtMs > maxAgeMs) {
      runtime.observe({ type: 'journal_entry_too_old', ledgerId })
    } else if (input) await deliver(gateway, input)
    else runtime.observe({ type: 'journal_entry_unreadable', ledgerId })
  }
}
