/** Plan: everything about a request that can be decided without the store. */
import type { ApiKey, ClientName } from '../catalog/api-key.ts'
import type { Snapshot } from '../catalog/catalog.ts'
import type { Dialect } from '../dialects/dialect.ts'
import type { PoolId } from '../domain/platform.ts'
import { GatewayError } from '../errors.ts'
import type { HeaderReader } from '../http-message.ts'
import { hasCostLimit } from '../ledger/key-limits.ts'
import type { Pricer } from '../ledger/pricer.ts'
import type { Offerings } from '../offerings.ts'
import type { PlatformRegistry } from '../platforms/registry.ts'
import { permittedUse } from './permitted-use.ts'
import type { Hints } from './request/hints.ts'
import { identifyClient } from './request/identify-client.ts'
import type { Conversation } from './request/session.ts'
import type { RelayRoute } from './routes.ts'
import { budgeted } from './scheduling/budgeted.ts'
import { type Choice, findCandidates, type PlannedAccount } from './scheduling/candidates.ts'
import { offering } from './scheduling/offering.ts'

export interface Plan extends Choice, Conversation {
  /** Names the request in the ledger; always made here, never taken from the client. */
  ledgerId: string
  /** Names it to the caller and in the log. */
  requestId: string
  plannedAtMs: number
  snapshot: Snapshot
  apiKey: ApiKey
  dialect: Dialect
  poolId: PoolId
  /** Those of the candidates that are asked first. */
  offering: readonly PlannedAccount[]
  model: string
  /** The program that sent it; `other` where its headers name none that is known. */
  client: ClientName | 'other'
  /** No other account may serve it: it came on a socket. */
  onlyAccountId: string | undefined
  /** What the request reserves of its key's budgets and of its account's quota. */
  reservationNanoUsd: number
}

interface PlanInput {
  ledgerId: string
  requestId: string
  snapshot: Snapshot
  route: RelayRoute
  headers: HeaderReader
  hints: Hints
  conversation: Conversation
  bodyBytes: number
  /** Whether this host can go through the proxy of an account. */
  canProxy: boolean
  platforms: PlatformRegistry
  offerings: Offerings
  pricer: Pricer
  /** What becomes of models without a price, where the key has a cost limit. */
  unpricedModels: 'refuse' | 'dearest'
  nowMs: number
  onlyAccountId?: string | undefined
}

const minute = 60_000
const hour = 60 * minute

/**
 * Plans a request with the catalog at hand.
 * @returns the plan; one without candidates has a `refusal`.
 * @throws GatewayError a refusal (`invalid_api_key`, `key_disabled`, `key_expired`, `not_permitted`,
 * `model_not_permitted`, `model_unpriced`). Both are valid for this snapshot only: the caller confirms a refusal with a fresh one.
 */
export function plan(input: PlanInput): Plan {
  const { ledgerId, requestId, snapshot, route, headers, hints, canProxy, nowMs } = input
  const { conversation } = input
  const { dialect, poolId, operation } = route
  const { model } = hints
  const asking = { apiKey: snapshot.apiKey?.record, headers, nowMs }
  const { apiKey, platforms } = permittedUse(asking, input.platforms.inPool(poolId))
  checkModel(apiKey, model)
  const { accounts, prices } = snapshot.pool
  const { onlyAccountId } = input
  const search = { accounts, prices, apiKey, poolId, platforms, model, canProxy, onlyAccountId }
  const { pricer, unpricedModels } = input
  const asked = { apiKey, pricer, unpricedModels, model, atMs: nowMs }
  const choice = budgeted(findCandidates(search), asked)
  return {
    ledgerId,
    requestId,
    plannedAtMs: nowMs,
    snapshot,
    apiKey,
    dialect,
    poolId,
    model,
    client: identifyClient(headers) ?? 'other',
    onlyAccountId,
    ...conversation,
    ...choice,
    // What only one account can serve is asked of that, whatever is known of it.
    offering: conversation.binding
      ? choice.candidates
      : offering(input.offerings, operation, choice.candidates),
    reservationNanoUsd: reservation(choice.priced, apiKey, input),
  }
}

/** For the most expensive that may be asked for, since accounts differ in names and prices; in nano-USD. */
function reservation(priced: Choice['priced'], apiKey: ApiKey, input: PlanInput): number {
  const { hints, bodyBytes, pricer, nowMs: atMs } = input
  const { maxTokens } = hints
  const isBudgeted = hasCostLimit(apiKey)
  const reservations = priced.map(({ platform, upstreamModel: model, account }) => {
    const { priceProvider: provider } = platform
    const request = { provider, model, account, isBudgeted, bodyBytes, maxTokens, atMs }
    return pricer.estimateReservation(request)
  })
  return Math.max(0, ...reservations)
}

/** Milliseconds of life from first use; 0 = the key does not end by activation. */
export function activationMs(apiKey: ApiKey): number {
  if (apiKey.expirationMode !== 'activation') return 0
  return apiKey.activationDays * (apiKey.activationUnit === 'hours' ? hour : 24 * hour)
}

/** Whether the key may ask for a model. */
export function mayUseModel(apiKey: ApiKey, model: string): boolean {
  const matches = (allowed: string) =>
    allowed.endsWith('*') ? model.startsWith(allowed.slice(0, -1)) : model === allowed
  return !apiKey.enableModelRestriction || apiKey.restrictedModels.some(matches)
}

/** @throws GatewayError `model_not_permitted` where the key may not use the model. */
export function checkModel(apiKey: ApiKey, model: string): void {
  if (mayUseModel(apiKey, model)) return
  const allowed = apiKey.restrictedModels.join(', ') || 'none'
  throw new GatewayError(
    'model_not_permitted',
    `This gateway key may not use the model "${model}"; it may use: ${allowed}`,
  )
}
