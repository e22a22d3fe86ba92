/** Settle: writes to the usage ledger, when a request ends, what it consumed and how it went. */
import type { GatewayEvent } from '../../domain/events.ts'
import { otherFamily } from '../../domain/model-family.ts'
import type { End, RequestTrace } from '../../domain/request-trace.ts'
import type { ModelUsage, PriceFactors, Usage } from '../../domain/usage.ts'
import type { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { priceAnswer } from '../../ledger/answer-price.ts'
import { bucketsAt, quotaDayAt } from '../../ledger/calendar.ts'
import { hasCostLimit } from '../../ledger/key-limits.ts'
import { ledgerModel, otherModels, settledSums } from '../../ledger/ledger.ts'
import { ttl } from '../../store/keyspace.ts'
import { packSums } from '../../store/records/sums.ts'
import { unknownClient } from '../../store/records/usage-row.ts'
import type { SettleInput } from '../../store/scripts/settle.ts'
import type { Plan } from '../plan.ts'
import type { Admission } from '../scheduling/admission.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import { type BookedRequest, courseSums, failedAttemptRows, unservedRows } from './booked-rows.ts'
import { deliver, writeToJournal } from './deliver.ts'
import { endTrace, packTrace, type Trace } from './trace.ts'

/** How a request that reached an upstream ended. */
export interface Ending {
  how: End
  usage: Usage
  /** What models beside the one that was asked have used. */
  otherModels?: ModelUsage[]
  /** What the answer named beside its counts, and what changes their price. */
  factors?: PriceFactors
  /** True when the vendor's own counts were missing or partial. */
  estimated: boolean
  /** Whether the account began to answer, so that it knows the model. */
  isServed: boolean
  planned: PlannedAccount
  verdict: SettleInput['verdict']
  /** Digests of ids in the answer that only this account can serve. */
  issuedAffinities: string[]
}

/** Settles a request in the background; the host waits for that. */
export function settleFinal(gateway: Gateway, admission: SettledPart, ending: Ending): void {
  const { runtime } = gateway
  const { plan, accountId } = admission
  const { usage, estimated, planned, verdict } = ending
  const { upstreamModel: model, family, account, platform } = planned
  const nowMs = runtime.now()
  const { priceProvider: provider } = platform
  const others = ending.otherModels ?? []
  const { factors } = ending
  const isBudgeted = hasCostLimit(plan.apiKey)
  const used = { usage, otherModels: others, factors }
  const priced = { provider, model, account, isBudgeted, ...used, atMs: nowMs }
  const { costNanoUsd, isPriced, unpriced, bill } = priceAnswer(gateway.pricer, priced)
  for (const name of unpriced) {
    runtime.observe({ type: 'unpriced_model', ledgerId: plan.ledgerId, model: name })
  }
  const trace = endTrace(admission.trace, ending.how, runtime.monotonicMs())
  runtime.observe({
    type: 'served',
    ...traceFields(plan, trace),
    accountId,
    estimated,
    costNanoUsd,
    ...usage,
    ...(others.length > 0 && { otherModels: others }),
  })
  const { TIMEZONE } = runtime.config
  const served = ending.isServed && ledgerModel(plan.model, account, isPriced)
  const course = courseSums(gateway, trace, { planned, usage, factors })
  const input: SettleInput = {
    ...identity(plan, accountId),
    client: plan.client ?? unknownClient,
    ledgerModel: served || otherModels,
    family,
    kind: 'final',
    amounts: packSums({
      ...settledSums(usage, isPriced || isBudgeted ? { costNanoUsd } : 'unpriced', estimated),
      costNanoUsd,
      ...course,
    }),
    costNanoUsd,
    rows: failedAttemptRows(gateway, plan, trace, served || undefined),
    verdict,
    buckets: bucketsAt(nowMs, TIMEZONE),
    quotaDay: quotaDayAt(nowMs, TIMEZONE, account.quotaResetTime).day,
    trace: packTrace({ ...asker(plan), bill }, trace),
    issuedAffinities: ending.issuedAffinities,
    keepMs: ttl.requestMs,
  }
  runtime.defer(writeToJournal(gateway, input).then(() => deliverAndWake(gateway, input)))
}

/** Delivers; then the slot of the request is free for one of its key that waits for its turn. */
async function deliverAndWake(gateway: Gateway, input: SettleInput): Promise<void> {
  await deliver(gateway, input)
  gateway.wakeUps.wake(input.keyId)
}

/** What names a request in the store, whether or not it could be planned. */
type NamedRequest = BookedRequest &
  Pick<Plan, 'ledgerId' | 'requestId' | 'plannedAtMs' | 'poolId' | 'model'>

/** What a settlement reads of an admission. */
export interface SettledPart extends Pick<Admission, 'accountId' | 'trace'> {
  plan: NamedRequest & Pick<Plan, 'apiKey'>
}

/** That part alone, for a request that stays open for long: a plan holds every account of its pool. */
export function settledPart({ plan, accountId, trace }: Admission): SettledPart {
  const { ledgerId, requestId, plannedAtMs, poolId, model, apiKey, client } = plan
  const tried = new Set(trace.attempts.map((attempt) => attempt.accountId))
  const candidates = plan.candidates.filter(({ account }) => tried.has(account.id))
  const named = { ledgerId, requestId, plannedAtMs, poolId, model, apiKey, client, candidates }
  return { accountId, trace, plan: named }
}

/** What is known of a request that consumed nothing: how it went, and what that says of its account. */
export interface VoidEnding {
  how: End
  trace: Trace
  accountId: string
  family: string
  verdict: SettleInput['verdict']
}

/** Ends a request that consumed nothing: releases what it holds and bars a late admission. */
export function settleVoid(gateway: Gateway, plan: NamedRequest, ending?: VoidEnding): void {
  endVoid(gateway, plan, ending, ttl.requestMs)
}

/**
 * Stores for a while why no account could take a request. It holds nothing, and no limit of its key
 * counts it: so of each key only some a minute are stored. Each of them is an event.
 */
export function settleRejected(gateway: Gateway, plan: Plan, trace: Trace, refusal: Refusal): void {
  observeVoid(gateway, plan, { ...noAccount, trace })
  storeRefusal(gateway, plan, trace, refusal)
}

/** Why a request was refused, as its caller was told. */
export type Refusal = Pick<GatewayError, 'code' | 'message'>

const noAccount = {
  accountId: '',
  family: otherFamily,
  verdict: undefined,
  how: 'rejected',
} satisfies Omit<VoidEnding, 'trace'>

/** Of a message, which may list all that the key may use. */
const maxMessageCharacters = 500

/**
 * Stores for a while why a request was refused before any account was asked: a limit of its key, or
 * what its key may not do. In the background, and of each key only some a minute.
 */
export function storeRefusal(
  gateway: Gateway,
  request: NamedRequest,
  trace: Trace,
  { code, message }: Refusal,
): void {
  if (!gateway.storedRejections.allows(request.apiKey.id)) return
  const { runtime } = gateway
  const refusal = { code, message: message.slice(0, maxMessageCharacters) }
  const ended = endTrace(trace, 'rejected', runtime.monotonicMs())
  const packed = packTrace({ ...asker(request), refusal }, ended)
  sendVoid(gateway, request, { ...noAccount, trace: packed, keepMs: ttl.refusalMs })
}

function observeVoid({ runtime }: Gateway, plan: NamedRequest, ending: VoidEnding): RequestTrace {
  const trace = endTrace(ending.trace, ending.how, runtime.monotonicMs())
  const { accountId } = ending
  runtime.observe({ type: 'unserved', ...traceFields(plan, trace), accountId })
  return trace
}

function endVoid(
  gateway: Gateway,
  plan: NamedRequest,
  ending: VoidEnding | undefined,
  keepMs: number,
): void {
  const trace = ending && observeVoid(gateway, plan, ending)
  sendVoid(gateway, plan, {
    ...(ending ?? noAccount),
    trace: packTrace(asker(plan), trace),
    rows: trace ? unservedRows(gateway, plan, trace) : [],
    keepMs,
  })
}

function sendVoid(
  gateway: Gateway,
  request: NamedRequest,
  ending: Pick<SettleInput, 'accountId' | 'family' | 'verdict' | 'trace' | 'rows' | 'keepMs'>,
): void {
  const { runtime } = gateway
  const input: SettleInput = {
    ...identity(request, ending.accountId),
    ledgerModel: otherModels,
    family: ending.family,
    kind: 'void',
    amounts: '',
    costNanoUsd: 0,
    rows: ending.rows ?? [],
    verdict: ending.verdict,
    buckets: bucketsAt(runtime.now(), runtime.config.TIMEZONE),
    quotaDay: '',
    trace: ending.trace,
    issuedAffinities: [],
    keepMs: ending.keepMs,
  }
  runtime.defer(deliverAndWake(gateway, input))
}

function asker({ requestId, apiKey, poolId, plannedAtMs }: NamedRequest) {
  const { id: keyId } = apiKey
  return { requestId, keyId, platform: poolId, receivedAtMs: plannedAtMs }
}

type EndedRequest = Omit<Extract<GatewayEvent, { type: 'unserved' }>, 'type' | 'accountId'>

/** The trace as fields of an event: who asked, how it ended, every attempt and every account passed over. */
function traceFields(plan: NamedRequest, trace: RequestTrace): EndedRequest {
  const { requestId, ledgerId, apiKey, poolId, model } = plan
  const { receivedAtMs, ...rest } = trace
  return { ...rest, requestId, ledgerId, keyId: apiKey.id, poolId, model }
}

function identity(plan: NamedRequest, accountId: string) {
  const { ledgerId, requestId, apiKey, poolId, model } = plan
  const requestName = requestId === ledgerId ? undefined : requestId
  return { ledgerId, requestName, poolId, keyId: apiKey.id, accountId, model }
}
