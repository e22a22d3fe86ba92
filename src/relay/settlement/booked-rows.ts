/** What the usage ledger holds of how a request went: attempts that failed, its ends and its times. */
import { type FailureReason, failureReasons } from '../../domain/account-failure.ts'
import type { AttemptTrace, End, RequestTrace } from '../../domain/request-trace.ts'
import { failureField, histogramSum, type Sums } from '../../domain/sums.ts'
import { noUsage, type PriceFactors, type Usage } from '../../domain/usage.ts'
import type { Gateway } from '../../gateway.ts'
import { quotaDayAt } from '../../ledger/calendar.ts'
import { ledgerModel, otherModels, settledSums } from '../../ledger/ledger.ts'
import { packSums } from '../../store/records/sums.ts'
import { unknownClient } from '../../store/records/usage-row.ts'
import type { BookedRow } from '../../store/scripts/settle.ts'
import type { Plan } from '../plan.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'

/** What is read of a request to book how it went. */
export interface BookedRequest extends Pick<Plan, 'model'> {
  apiKey: Pick<Plan['apiKey'], 'id'>
  client?: Plan['client'] | undefined
  /** At least the accounts that were tried; undefined where none was. */
  candidates?: readonly PlannedAccount[]
}

const failureOf = ({ outcome }: AttemptTrace): FailureReason | undefined =>
  failureReasons.find((reason) => reason === outcome)

/** Sums of a served request beside its usage: how it came to its account, how it ended, how long it took. */
export function courseSums(
  { pricer, runtime }: Gateway,
  { attempts, stream, sessionMoves, tookMs, end }: RequestTrace,
  {
    planned,
    usage,
    factors,
  }: {
    planned: PlannedAccount
    usage: Usage
    factors: PriceFactors | undefined
  },
): Partial<Sums> {
  const last = attempts.at(-1)
  const isStream = stream === true && last?.outcome === 'stream'
  return {
    sessionMoves,
    attempts: 1,
    failovers: attempts.filter(failureOf).length,
    ...endSums(end),
    ...(isStream && histogramSum('firstToken', last.afterMs + last.tookMs)),
    ...histogramSum('duration', tookMs),
    ...(sessionMoves > 0 && moveSums()),
  }

  function moveSums(): Partial<Sums> {
    const { cacheWrite5mTokens, cacheWrite1hTokens, cacheWrite30mTokens, cacheWrite12hTokens } =
      usage
    const writes = {
      cacheWrite5mTokens,
      cacheWrite1hTokens,
      cacheWrite30mTokens,
      cacheWrite12hTokens,
    }
    const written = { ...noUsage, ...writes }
    const { platform, upstreamModel: model, account } = planned
    const { priceProvider: provider } = platform
    const used = { usage: written, factors, atMs: runtime.now() }
    const cost = pricer.priceUsage({ provider, model, account, ...used })
    return {
      moveCacheWriteTokens: Object.values(writes).reduce((sum, tokens) => sum + tokens, 0),
      moveCacheWriteCostNanoUsd: cost === 'unpriced' ? 0 : cost.costNanoUsd,
    }
  }
}

function endSums(end: End): Partial<Sums> {
  switch (end) {
    case 'failed':
    case 'timed_out':
      return { failedRequests: 1 }
    case 'refused':
      return { refusedRequests: 1 }
    case 'client_aborted':
      return { abortedRequests: 1 }
    case 'upstream_truncated':
      return { truncatedRequests: 1 }
    default:
      return {}
  }
}

/**
 * The rows of a request that was charged nothing: that it failed or was refused, for its key, and its
 * failed attempts.
 */
export function unservedRows(
  gateway: Gateway,
  plan: BookedRequest,
  trace: RequestTrace,
): BookedRow[] {
  const attempts = failedAttemptRows(gateway, plan, trace, undefined)
  if (trace.end !== 'failed' && trace.end !== 'refused') return attempts
  const row = { accountId: '', model: otherModels, costNanoUsd: 0, quotaDay: '' }
  const { apiKey, client = unknownClient } = plan
  return [{ ...row, keyId: apiKey.id, client, amounts: packSums(endSums(trace.end)) }, ...attempts]
}

/**
 * A row for each attempt that failed, of its account and of no key: what the upstream reported of it is
 * the cost of the account, and no budget of the key counts it.
 * @param servedModel the name of the model in the usage ledger, where an account has served it.
 */
export function failedAttemptRows(
  gateway: Gateway,
  plan: BookedRequest,
  { attempts }: RequestTrace,
  servedModel: string | undefined,
): BookedRow[] {
  return attempts.flatMap((attempt) => {
    const reason = failureOf(attempt)
    const planned = plan.candidates?.find(({ account }) => account.id === attempt.accountId)
    if (!reason || !planned) return []
    const { account } = planned
    const { sums, costNanoUsd } = reportedSums(gateway, planned, attempt)
    const { now, config } = gateway.runtime
    return {
      keyId: '',
      accountId: account.id,
      client: plan.client ?? unknownClient,
      model: servedModel ?? ledgerModel(plan.model, account, false),
      amounts: packSums({ ...sums, attempts: 1, [failureField(reason)]: 1 }),
      costNanoUsd,
      quotaDay: quotaDayAt(now(), config.TIMEZONE, account.quotaResetTime).day,
    }
  })
}

/** What an upstream reported of an attempt that failed: no request of its own. */
function reportedSums(
  { pricer, runtime }: Gateway,
  { platform, account }: PlannedAccount,
  { usage, model }: AttemptTrace,
): { sums: Partial<Sums>; costNanoUsd: number } {
  if (!usage) return { sums: {}, costNanoUsd: 0 }
  const { priceProvider: provider } = platform
  const cost = pricer.priceUsage({ provider, model, account, usage, atMs: runtime.now() })
  const sums = { ...settledSums(usage, cost, false), requests: 0, unpricedRequests: 0 }
  return { sums, costNanoUsd: cost === 'unpriced' ? 0 : cost.costNanoUsd }
}
