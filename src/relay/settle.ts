/** Settle: books what a request consumed and releases its lease, exactly once, whatever fails. */
import type { Platform } from '../catalog/account.ts'
import type { Gateway } from '../gateway.ts'
import { bucketsAt, isOpus, orphanedSums, packSums, settledSums } from '../ledger/ledger.ts'
import { priceUsage } from '../ledger/price.ts'
import type { Usage } from '../ledger/usage.ts'
import { ttl } from '../store/keyspace.ts'
import { type SettleInput, settleScript } from '../store/scripts/settle.ts'
import { sweepScript } from '../store/scripts/sweep.ts'
import type { Admission, Plan } from './plan.ts'

/** How a request that reached an upstream ended. */
export interface Ending {
  usage: Usage
  /** True when the vendor's own counts were missing or partial. */
  estimated: boolean
  /** The model that was asked upstream: its price applies. */
  upstreamModel: string
  verdict: SettleInput['verdict']
}

const firstRetryMs = 100
const longestRetryMs = 10_000
/** Without a journal: about as long as a host lets work outlive its request. */
const patienceMs = 20_000

/** Books a request in the background. The promise of the booking is the host's to wait for. */
export function settleFinal(gateway: Gateway, admission: Admission, ending: Ending): void {
  const { runtime } = gateway
  const { plan, accountId } = admission
  const { usage, estimated, upstreamModel, verdict } = ending
  const { platform } = plan.protocol
  const cost = priceUsage({ platform, model: upstreamModel, usage, atMs: runtime.now() })
  if (cost === 'unpriced') {
    runtime.log.warn('unpriced_model', { ledgerId: plan.ledgerId, model: upstreamModel })
  }
  const costNanoUsd = cost === 'unpriced' ? 0 : cost.costNanoUsd
  runtime.log.info('served', {
    requestId: plan.requestId,
    ledgerId: plan.ledgerId,
    keyId: plan.apiKey.id,
    accountId,
    model: plan.model,
    attempts: admission.generation,
    durationMs: runtime.now() - plan.plannedAtMs,
    estimated,
    costNanoUsd,
    ...usage,
  })
  const input: SettleInput = {
    ...identity(plan, accountId),
    kind: 'final',
    amounts: packSums(settledSums(usage, cost, estimated)),
    costNanoUsd,
    isOpus: isOpus(upstreamModel),
    verdict,
    buckets: bucketsAt(runtime.now(), runtime.config.TIMEZONE),
  }
  runtime.defer(keep(gateway, input).then(() => deliver(gateway, input)))
}

/** Ends a request that consumed nothing: releases what it holds and bars a late admission. */
export function settleVoid(
  gateway: Gateway,
  plan: Plan,
  failed?: { accountId: string; verdict: SettleInput['verdict'] },
): void {
  const { runtime } = gateway
  const input: SettleInput = {
    ...identity(plan, failed?.accountId ?? ''),
    kind: 'void',
    amounts: '',
    costNanoUsd: 0,
    isOpus: false,
    verdict: failed?.verdict,
    buckets: bucketsAt(runtime.now(), runtime.config.TIMEZONE),
  }
  runtime.defer(deliver(gateway, input))
}

/** Books requests whose process vanished, from the lease members that a script handed out. */
export async function settleOrphans(gateway: Gateway, members: string[]): Promise<void> {
  const { runtime } = gateway
  for (const member of members) {
    const [ledgerId = '', platform = '', keyId = '', accountId = '', , hold = '0', ...model] =
      member.split('|')
    // Its receipt may be on this very disk, waiting for the store.
    const journaled = runtime.journal?.get(ledgerId)
    if (journaled !== undefined) {
      await deliver(gateway, JSON.parse(journaled) as SettleInput)
      continue
    }
    runtime.log.warn('orphaned_request', { ledgerId, keyId, accountId })
    await deliver(gateway, {
      ledgerId,
      platform,
      keyId,
      accountId,
      model: model.join('|'),
      kind: 'orphan',
      member,
      amounts: packSums(orphanedSums(Number(hold))),
      costNanoUsd: Number(hold),
      isOpus: isOpus(model.join('|')),
      verdict: undefined,
      buckets: bucketsAt(runtime.now(), runtime.config.TIMEZONE),
    })
  }
}

/** Frees and books every expired lease of a platform; for start-up and for reading the books. */
export async function sweep(gateway: Gateway, platform: Platform): Promise<void> {
  const limit = 100
  for (;;) {
    const members = await sweepScript(gateway.runtime.redis, gateway.keyspace, { platform, limit })
    await settleOrphans(gateway, members)
    if (members.length < limit) return
  }
}

/** Sends journaled settlements that an earlier process could not deliver. */
export async function replayJournal(gateway: Gateway, maxAgeMs: number): Promise<void> {
  const { runtime } = gateway
  for (const { ledgerId, payload, createdAtMs } of runtime.journal?.pending() ?? []) {
    if (runtime.now() - createdAtMs > maxAgeMs) {
      runtime.log.error('journal_entry_too_old', { ledgerId })
      continue
    }
    await deliver(gateway, JSON.parse(payload) as SettleInput)
  }
}

function identity(plan: Plan, accountId: string) {
  const { ledgerId, apiKey, model } = plan
  return { ledgerId, platform: plan.protocol.platform, keyId: apiKey.id, accountId, model }
}

/** Journals a settlement. A disk that fails must not keep it from being sent. */
async function keep({ runtime }: Gateway, input: SettleInput): Promise<void> {
  const { ledgerId } = input
  try {
    await runtime.journal?.put(ledgerId, JSON.stringify(input), runtime.now())
  } catch (error) {
    runtime.log.error('journal_failed', { ledgerId, error: String(error) })
  }
}

/** Sends a settlement until the store has it, or until the journal alone must hold it. */
async function deliver(gateway: Gateway, input: SettleInput): Promise<void> {
  const { runtime, keyspace } = gateway
  const { ledgerId, kind } = input
  const isJournaled = runtime.journal !== undefined && kind !== 'orphan'
  const endsAtMs = runtime.now() + (isJournaled ? ttl.journalMs : patienceMs)
  for (let delayMs = firstRetryMs; ; delayMs = Math.min(2 * delayMs, longestRetryMs)) {
    try {
      const reply = await settleScript(runtime.redis, keyspace, input)
      // An orphan stands for a receipt that may still be in the journal: it has its own entry to end.
      if (isJournaled) runtime.journal?.remove(ledgerId)
      runtime.log.debug('settled', { ledgerId, kind, reply })
      return
    } catch (error) {
      if (delayMs === firstRetryMs) {
        runtime.log.warn('settlement_delayed', { ledgerId, kind, error: String(error) })
        if (isJournaled) await keep(gateway, input)
      }
    }
    if (runtime.now() + delayMs > endsAtMs) break
    await new Promise((resolve) => setTimeout(resolve, delayMs))
  }
  // The last copy of the receipt where there is no journal; the expired lease books an orphan.
  runtime.log.error('settlement_undelivered', { ledgerId, receipt: JSON.stringify(input) })
}
