/** Settle: what a request consumed and how it went, told to the ledger when it ends. */
import type { ModelFamily } from '../../domain/model-family.ts'
import type { Usage } from '../../domain/usage.ts'
import type { Gateway } from '../../gateway.ts'
import { bucketsAt, quotaDayAt } from '../../ledger/calendar.ts'
import { settledSums } from '../../ledger/ledger.ts'
import { ttl } from '../../store/keyspace.ts'
import { packSums } from '../../store/records/sums.ts'
import type { SettleInput } from '../../store/scripts/settle.ts'
import type { Plan } from '../plan.ts'
import type { Admission } from '../scheduling/admission.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import { deliver, keep } from './deliver.ts'
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

/** Books a request in the background. The promise of the booking is the host's to wait for. */
export function settleFinal(gateway: Gateway, admission: Admission, ending: Ending): void {
  const { runtime } = gateway
  const { plan, accountId } = admission
  const { usage, estimated, planned, verdict } = ending
  const { upstreamModel: model, family, account, platform } = planned
  const nowMs = runtime.now()
  const { priceProvider: provider } = platform
  const cost = gateway.pricer.priceUsage({ provider, model, usage, atMs: nowMs })
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

/**
 * Keeps for a while why no account could take a request. It holds nothing, and no limit of its key
 * counts it: so of each key only some a minute are kept in the store, and all of them in the log.
 */
export function settleRejected(gateway: Gateway, plan: Plan, trace: Trace): void {
  const nobody = { accountId: '', family: 'other', verdict: undefined } as const
  const ending = { ...nobody, how: 'rejected', trace } as const
  if (mayKeep(plan.apiKey.id, gateway.runtime.now())) {
    endVoid(gateway, plan, ending, ttl.refusalMs)
  } else logVoid(gateway, plan, ending)
}

const keptPerMinute = 30
const kept = new Map<string, { minute: number; count: number }>()
const maxCountedKeys = 10_000

function mayKeep(keyId: string, nowMs: number): boolean {
  const minute = Math.floor(nowMs / 60_000)
  const known = kept.get(keyId)
  const count = known?.minute === minute ? known.count + 1 : 1
  if (kept.size >= maxCountedKeys) kept.clear()
  kept.set(keyId, { minute, count })
  return count <= keptPerMinute
}

function logVoid({ runtime }: Gateway, plan: Plan, ending: VoidEnding): Trace {
  const trace = endTrace(ending.trace, ending.how, runtime.now())
  const { accountId } = ending
  runtime.log.info('rejected', { ...traceFields(plan, trace), accountId })
  return trace
}

function endVoid(
  gateway: Gateway,
  plan: Plan,
  ending: VoidEnding | undefined,
  keepMs: number,
): void {
  const { runtime } = gateway
  const { accountId = '', family = 'other', verdict } = ending ?? {}
  const trace = ending && logVoid(gateway, plan, ending)
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

function asker({ requestId, apiKey, poolId, plannedAtMs }: Plan) {
  const { id: keyId } = apiKey
  return { requestId, keyId, platform: poolId, receivedAtMs: plannedAtMs }
}

/** The trace as log fields: who asked, how it ended, every attempt and everybody passed over. */
function traceFields(plan: Plan, trace: Trace) {
  const { requestId, ledgerId, apiKey, poolId, model } = plan
  const { receivedAtMs, ...rest } = trace
  return { ...rest, requestId, ledgerId, keyId: apiKey.id, platform: poolId, model }
}

function identity(plan: Plan, accountId: string) {
  const { ledgerId, requestId, apiKey, poolId: platform, model } = plan
  const requestName = requestId === ledgerId ? undefined : requestId
  return { ledgerId, requestName, platform, keyId: apiKey.id, accountId, model }
}
