/** Plan: everything about a request that can be decided without the store. */
import type { ApiKey } from '../catalog/api-key.ts'
import type { Snapshot } from '../catalog/catalog.ts'
import type { Protocol } from '../dialects/dialect.ts'
import { GatewayError } from '../errors.ts'
import type { Pricer } from '../ledger/pricer.ts'
import type { Hints } from './request/hints.ts'
import { identifyClient } from './request/identify-client.ts'
import { affinityDigest, sessionKey } from './request/session.ts'
import { type Choice, findCandidates, type PlannedAccount } from './scheduling/candidates.ts'

export interface Plan extends Choice {
  /** Names the request in the ledger; always made here, never taken from the client. */
  ledgerId: string
  /** Names it to the caller and in the log. */
  requestId: string
  plannedAtMs: number
  snapshot: Snapshot
  apiKey: ApiKey
  protocol: Protocol
  model: string
  sessionKey: string | undefined
  /** Of an id that only the account which issued it can serve. */
  affinityDigest: string | undefined
  /** What the request reserves of its key's budgets and of its account's quota. */
  reservationNanoUsd: number
}

const minute = 60_000
const hour = 60 * minute

/**
 * Plans a request with the catalog at hand.
 * @returns the plan; one without candidates has a `refusal`.
 * @throws GatewayError a refusal (`invalid_api_key`, `key_disabled`, `key_expired`, `not_permitted`,
 * `model_not_permitted`). Either holds for this snapshot only: the caller confirms it with a fresh one.
 */
export function plan(input: {
  ledgerId: string
  requestId: string
  snapshot: Snapshot
  protocol: Protocol
  headers: Headers
  hints: Hints
  bodyBytes: number
  /** Whether this host can go through the proxy of an account. */
  canProxy: boolean
  pricer: Pricer
  nowMs: number
}): Plan {
  const { ledgerId, requestId, snapshot, protocol, headers, hints, bodyBytes, nowMs } = input
  const { canProxy, pricer } = input
  const apiKey = usableKey(snapshot, nowMs)
  if (apiKey.permissions !== 'all' && apiKey.permissions !== protocol.permission) {
    throw new GatewayError(
      'not_permitted',
      `This gateway key may not use ${protocol.permission} models; ask your administrator for a key with the permission "${protocol.permission}" or "all"`,
    )
  }
  const { model, maxTokens } = hints
  checkRestrictions(apiKey, model, headers)
  const { platform } = protocol
  const { pool } = snapshot
  const choice = findCandidates({ pool, apiKey, platform, model, canProxy })
  // Accounts may rename the model: reserve for the most expensive one that may be asked for.
  const { priceProvider: provider } = protocol
  const reservationOf = ({ upstreamModel: model }: PlannedAccount) =>
    pricer.estimateReservation({ provider, model, bodyBytes, maxTokens, atMs: nowMs })
  return {
    ledgerId,
    requestId,
    plannedAtMs: nowMs,
    snapshot,
    apiKey,
    protocol,
    model,
    sessionKey: sessionKey(headers, hints),
    affinityDigest: affinityDigest(headers, hints),
    ...choice,
    reservationNanoUsd: Math.max(0, ...choice.candidates.map(reservationOf)),
  }
}

/** Milliseconds of life from first use; 0 = the key does not end by activation. */
export function activationMs(apiKey: ApiKey): number {
  if (apiKey.expirationMode !== 'activation') return 0
  return apiKey.activationDays * (apiKey.activationUnit === 'hours' ? hour : 24 * hour)
}

/** The key itself. @throws GatewayError `invalid_api_key`, `key_disabled`, `key_expired` */
export function usableKey(snapshot: Snapshot, nowMs: number): ApiKey {
  const apiKey = snapshot.apiKey?.record
  if (!apiKey || apiKey.isDeleted) {
    throw new GatewayError('invalid_api_key', 'This gateway key does not exist')
  }
  if (!apiKey.isActive) throw new GatewayError('key_disabled', 'This gateway key is disabled')
  const { expirationMode, expiresAt } = apiKey
  if (expirationMode === 'fixed' && expiresAt !== null && Date.parse(expiresAt) <= nowMs) {
    throw new GatewayError('key_expired', `This gateway key expired at ${expiresAt}`)
  }
  return apiKey
}

function checkRestrictions(apiKey: ApiKey, model: string, headers: Headers): void {
  const matches = (allowed: string) =>
    allowed.endsWith('*') ? model.startsWith(allowed.slice(0, -1)) : model === allowed
  if (apiKey.enableModelRestriction && !apiKey.restrictedModels.some(matches)) {
    const allowed = apiKey.restrictedModels.join(', ') || 'none'
    throw new GatewayError(
      'model_not_permitted',
      `This gateway key may not use the model "${model}"; it may use: ${allowed}`,
    )
  }
  if (!apiKey.enableClientRestriction) return
  const client = identifyClient(headers)
  if (client && apiKey.allowedClients.includes(client)) return
  const allowed = apiKey.allowedClients.join(', ') || 'none'
  throw new GatewayError(
    'not_permitted',
    `This gateway key may not be used by this program; it may be used by: ${allowed}`,
  )
}
