/** Settle: books what a request consumed and releases its lease, exactly once, whatever fails. */
import type { Platform } from '../catalog/account.ts'
import type { ModelFamily } from '../catalog/model-family.ts'
import type { Gateway } from '../gateway.ts'
import { bucketsAt, quotaDayAt } from '../ledger/calendar.ts'
import { orphanedSums, packSums, settledSums } from '../ledger/ledger.ts'
import { priceUsage } from '../ledger/price.ts'
import type { Usage } from '../ledger/usage.ts'
import { ttl } from '../store/keyspace.ts'
import { type SettleInput, settleScript } from '../store/scripts/settle.ts'
import { sweepScript } from '../store/scripts/sweep.ts'
import type { Admission } from './admission.ts'
import type { PlannedAccount } from './candidates.ts'
import type { Plan } from './plan.ts'
import { type End, endTrace, packTrace, type Trace } from './trace.ts'

/** How a request that reached an upstream ended. */
export interface Ending {
  how: End
  usage: Usage
  /** True when the vendor's own counts were missing or partial. */
  estimated: boolean
  planned: PlannedAccount
  verdict: SettleInput['verdict']
  /** Digests of ids in the answer that only this account can serve. */
  issuedAffinities: string[]
}

const firstRetryMs = 100
const longestRetryMs = 10_000
/** Without a journal: about as long as a host lets work outlive its request. */
const patienceMs = 20_000

/** Books a request in the background. The promise of the booking is the host's to wait for. */
export function settleFinal(gateway: Gateway, admission: Admission, ending: Ending): void {
  const { runtime } = gateway
  const { plan, accountId } = admission
  const { usage, estimated, planned, verdict } = ending
  const { upstreamModel: model, family, account } = planned
  const nowMs = runtime.now()
  const cost = priceUsage({ platform: plan.protocol.platform, model, usage, atMs: nowMs })
  if (cost === 'unpriced') {
    runtime.log.warn('unpriced_model', { ledgerId: plan.ledgerId, model })
  }
  const costNanoUsd = cost === 'unpriced' ? 0 : cost.costNanoUsd
  const trace = endTrace(admission.trace, ending.how, nowMs)
  runtime.log.info('served', {
    ...traceFields(plan, trace),
    accountId,
    estimated,
    costNanoUsd,
    ...usage,
  })
  const { TIMEZONE } = runtime.config
  const { sessionMoves } = trace
  const input: SettleInput = {
    ...identity(plan, accountId),
    family,
    kind: 'final',
    amounts: packSums({ ...settledSums(usage, cost, estimated), sessionMoves }),
    costNanoUsd,
    verdict,
    buckets: bucketsAt(nowMs, TIMEZONE),
    quotaDay: quotaDayAt(nowMs, TIMEZONE, account.quotaResetTime).day,
    trace: packTrace(asker(plan), trace),
    issuedAffinities: ending.issuedAffinities,
    keepMs: ttl.requestMs,
  }
  runtime.defer(keep(gateway, input).then(() => deliver(gateway, input)))
}

/** What is known of a request that consumed nothing: how it went, and what that says of its account. */
export interface VoidEnding {
  how: End
  trace: Trace
  accountId: string
  family: ModelFamily
  verdict: SettleInput['verdict']
}

/** Ends a request that consumed nothing: releases what it holds and bars a late admission. */
export function settleVoid(gateway: Gateway, plan: Plan, ending?: VoidEnding): void {
  endVoid(gateway, plan, ending, ttl.requestMs)
}

/** Keeps for a while why no account could take a request. It holds nothing. */
export function settleUnserved(gateway: Gateway, plan: Plan, trace: Trace): void {
  const ending = {
    how: 'unserved',
    trace,
    accountId: '',
    family: 'other',
    verdict: undefined,
  } as const
  endVoid(gateway, plan, ending, ttl.refusalMs)
}

function endVoid(
  gateway: Gateway,
  plan: Plan,
  ending: VoidEnding | undefined,
  keepMs: number,
): void {
  const { runtime } = gateway
  const { accountId = '', family = 'other', verdict } = ending ?? {}
  const trace = ending && endTrace(ending.trace, ending.how, runtime.now())
  if (trace) runtime.log.info('unserved', { ...traceFields(plan, trace), accountId })
  const input: SettleInput = {
    ...identity(plan, accountId),
    family,
    kind: 'void',
    amounts: '',
    costNanoUsd: 0,
    verdict,
    buckets: bucketsAt(runtime.now(), runtime.config.TIMEZONE),
    quotaDay: '',
    trace: packTrace(asker(plan), trace),
    issuedAffinities: [],
    keepMs,
  }
  runtime.defer(deliver(gateway, input))
}

function asker({ requestId, apiKey, protocol, plannedAtMs }: Plan) {
  const { id: keyId } = apiKey
  return { requestId, keyId, platform: protocol.platform, receivedAtMs: plannedAtMs }
}

/** The trace as log fields: who asked, how it ended, every attempt and everybody passed over. */
function traceFields(plan: Plan, trace: Trace) {
  const { requestId, ledgerId, apiKey, protocol, model } = plan
  const { receivedAtMs, ...rest } = trace
  return { ...rest, requestId, ledgerId, keyId: apiKey.id, platform: protocol.platform, model }
}

/** Books requests whose process vanished, from the lease members that a script handed out. */
export async function settleOrphans(gateway: Gateway, members: string[]): Promise<void> {
  const { runtime } = gateway
  for (const member of members) {
    const [
      ledgerId = '',
      platform = '',
      keyId = '',
      accountId = '',
      ,
      hold = '0',
      family = '',
      ...model
    ] = member.split('|')
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
      family,
      verdict: undefined,
      buckets: bucketsAt(runtime.now(), runtime.config.TIMEZONE),
      quotaDay: await quotaDayOf(gateway, accountId),
      trace: '',
      requestName: undefined,
      issuedAffinities: [],
      keepMs: ttl.requestMs,
    })
  }
}

/** The present day of an account; of a deleted one, the calendar's. */
async function quotaDayOf({ catalog, runtime }: Gateway, accountId: string): Promise<string> {
  const account = (await catalog.currentPool()).accounts.get(accountId)?.record
  const { now, config } = runtime
  return quotaDayAt(now(), config.TIMEZONE, account?.quotaResetTime ?? '00:00').day
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
  const { ledgerId, requestId, apiKey, model } = plan
  const requestName = requestId === ledgerId ? undefined : requestId
  const { platform } = plan.protocol
  return { ledgerId, requestName, platform, keyId: apiKey.id, accountId, model }
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
