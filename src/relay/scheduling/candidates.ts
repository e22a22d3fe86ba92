/** Candidates: which accounts could serve a request at all, and why the others could not. */

import { type Account, upstreamModel } from '../../catalog/account.ts'
import type { ApiKey } from '../../catalog/api-key.ts'
import type { Pool } from '../../catalog/catalog.ts'
import type { Candidate } from '../../domain/candidate.ts'
import { type ModelFamily, modelFamily } from '../../domain/model-family.ts'
import type { Platform } from '../../domain/platform.ts'
import { GatewayError } from '../../errors.ts'
import { quotaDayAt } from '../../ledger/calendar.ts'
import { toNanoUsd } from '../../money.ts'

export interface PlannedAccount {
  account: Account
  /** The model to ask this account for; another than the client's when the account renames it. */
  upstreamModel: string
  family: ModelFamily
}

/** An account that its settings keep from serving a request. */
export interface Excluded {
  accountId: string
  why: keyof typeof refusals
}

export interface Choice {
  candidates: PlannedAccount[]
  /** The first of the accounts that cannot serve it, and why. */
  excluded: Excluded[]
  /** What the caller hears when nobody can. */
  refusal: GatewayError | undefined
}

const maxExcluded = 20

/** What a caller hears when nobody can serve, by the reason that came closest to a candidate. */
const refusals = {
  bound_elsewhere:
    'The upstream account that this gateway key is bound to does not exist any more; ask your administrator to bind it to another',
  inactive:
    'No upstream account for this request is switched on (isActive); ask your administrator',
  not_schedulable:
    'No upstream account for this request takes new requests (schedulable); ask your administrator',
  dedicated:
    'Every upstream account in use is dedicated to other gateway keys (accountType); ask your administrator to share one or to bind this key to one',
  model_not_supported:
    'No upstream account of this gateway serves this model (supportedModels); ask your administrator',
  proxy_unsupported:
    'The upstream accounts for this request need an outbound proxy (proxy), which this host cannot use; ask your administrator',
} as const

/** From the first obstacle to the last: whoever fails a later one came closer. */
const order = Object.keys(refusals) as Excluded['why'][]

/**
 * The accounts that may serve `model` for this key: the bound one alone, or else the shared ones.
 * Without any, the refusal `no_account` names the setting that is in the way.
 */
export function findCandidates(request: {
  pool: Pool
  apiKey: ApiKey
  platform: Platform
  model: string
  canProxy: boolean
}): Choice {
  const { pool, apiKey, platform, model, canProxy } = request
  const boundId = platform === 'codex' ? apiKey.codexAccountId : apiKey.claudeConsoleAccountId
  const candidates: PlannedAccount[] = []
  const excluded: Excluded[] = []
  let closest: Excluded['why'] | undefined
  for (const { record: account } of pool.accounts.values()) {
    if (account.platform !== platform) continue
    const asked = upstreamModel(account, model)
    const why = obstacle(account, boundId, asked, canProxy)
    if (why === undefined && asked !== undefined) {
      candidates.push({ account, upstreamModel: asked, family: modelFamily(asked) })
    } else if (why !== undefined) {
      if (excluded.length < maxExcluded) excluded.push({ accountId: account.id, why })
      if (closest === undefined || order.indexOf(why) > order.indexOf(closest)) closest = why
    }
  }
  if (candidates.length > 0) return { candidates, excluded, refusal: undefined }
  if (boundId) closest ??= 'bound_elsewhere'
  const message = closest
    ? refusals[closest]
    : `This gateway has no ${platform} account; ask your administrator to add one`
  return { candidates, excluded, refusal: new GatewayError('no_account', message) }
}

function obstacle(
  account: Account,
  boundId: string | null,
  asked: string | undefined,
  canProxy: boolean,
): Excluded['why'] | undefined {
  if (boundId && account.id !== boundId) return 'bound_elsewhere'
  if (!account.isActive) return 'inactive'
  if (!account.schedulable) return 'not_schedulable'
  if (!boundId && account.accountType === 'dedicated') return 'dedicated'
  if (asked === undefined) return 'model_not_supported'
  return account.proxy && !canProxy ? 'proxy_unsupported' : undefined
}

/** Accounts as the scripts choose among them. */
export function asCandidates(
  planned: PlannedAccount[],
  { nowMs, timeZone }: { nowMs: number; timeZone: string },
): Candidate[] {
  return planned.map(({ account, family }) => {
    const { day, endsMs } = quotaDayAt(nowMs, timeZone, account.quotaResetTime)
    return {
      accountId: account.id,
      priority: account.priority,
      maxConcurrency: account.maxConcurrency,
      family,
      quotaNanoUsd: toNanoUsd(account.dailyQuota),
      quotaDay: day,
      quotaEndsMs: endsMs,
    }
  })
}
