/** Deliver: brings a settlement to the store exactly once, however often that fails. */
import { z } from 'zod'
import { sleep } from '../../clock.ts'
import type { Gateway } from '../../gateway.ts'
import { parseJson } from '../../json.ts'
import { ttl } from '../../store/keyspace.ts'
import { schemaVersion } from '../../store/schema.ts'
import { type SettleInput, settleScript } from '../../store/scripts/settle.ts'
import { tellHealthChanges } from '../scheduling/health-events.ts'

const firstRetryMs = 100
const longestRetryMs = 10_000
/** Without a journal: about as long as a host lets work go on after its request. */
const patienceMs = 20_000

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
  amounts: z.string(),
  buckets: z.looseObject({ day: z.string() }),
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
    family: stored.family ?? 'other',
    quotaDay: stored.quotaDay ?? stored.buckets.day.slice('day:'.length),
    trace: stored.trace ?? '',
    issuedAffinities: stored.issuedAffinities ?? [],
    keepMs: stored.keepMs ?? ttl.requestMs,
  }
}

/** Sends a settlement until the store has it, or until only the journal keeps it. */
export async function deliver(gateway: Gateway, input: SettleInput): Promise<void> {
  const { runtime, keyspace } = gateway
  const { ledgerId, kind } = input
  const isJournaled = runtime.journal !== undefined && kind !== 'orphan'
  const endsMonotonicMs = runtime.monotonicMs() + (isJournaled ? ttl.journalMs : patienceMs)
  for (let delayMs = firstRetryMs; ; delayMs = Math.min(2 * delayMs, longestRetryMs)) {
    try {
      const reply = await settleScript(runtime.redis, keyspace, input)
      // An orphan stands for a receipt that may still be in the journal: it has its own entry to end.
      if (isJournaled) runtime.journal?.remove(ledgerId)
      runtime.observe({ type: 'settled', ledgerId, kind, reply: reply.kind })
      tellHealthChanges(runtime, input.poolId, reply.healthChanges)
      return
    } catch (error) {
      if (delayMs === firstRetryMs) {
        runtime.observe({ type: 'settlement_delayed', ledgerId, kind, error })
        // What is journaled keeps its age: the marker that makes a repeat safe is not kept for ever.
        if (isJournaled && !runtime.journal?.get(ledgerId)) await writeToJournal(gateway, input)
      }
    }
    if (runtime.monotonicMs() + delayMs > endsMonotonicMs) break
    await sleep(runtime, delayMs)
  }
  // The last copy of the receipt where there is no journal; the expired lease is charged as an orphan.
  runtime.observe({ type: 'settlement_undelivered', ledgerId, receipt: JSON.stringify(input) })
}

/** Sends journaled settlements that an earlier process could not deliver. */
export async function replayJournal(gateway: Gateway, maxAgeMs: number): Promise<void> {
  const { runtime } = gateway
  for (const { ledgerId, payload, createdAtMs } of runtime.journal?.pending() ?? []) {
    if (runtime.now() - createdAtMs > maxAgeMs) {
      runtime.observe({ type: 'journal_entry_too_old', ledgerId })
      continue
    }
    const input = fromJournal(payload)
    if (input) await deliver(gateway, input)
    else runtime.observe({ type: 'journal_entry_unreadable', ledgerId })
  }
}
