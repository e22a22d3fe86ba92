/** Candidates: which accounts could serve a request at all, and why the others could not. */

import { type Account, familyOn } from '../../catalog/account.ts'
import type { ApiKey } from '../../catalog/api-key.ts'
import type { Pool } from '../../catalog/catalog.ts'
import { upstreamModel } from '../../catalog/supported-models.ts'
import type { Candidate } from '../../domain/candidate.ts'
import type { PoolId } from '../../domain/platform.ts'
import { GatewayError } from '../../errors.ts'
import { quotaDayAt } from '../../ledger/calendar.ts'
import { toNanoUsdLimit } from '../../money.ts'
import type { Organisations } from '../../organisations.ts'
import type { Platform } from '../../platforms/platform.ts'

export interface PlannedAccount {
  account: Account
  /** How the account is called. */
  platform: Platform
  /** The model to ask this account for; another than the client's when the account renames it. */
  upstreamModel: string
  family: string
}

/** An account that cannot serve a request because of its settings. */
export interface Excluded {
  accountId: string
  /** `model_unpriced` is not decided here: it depends on the limits of the key. */
  why: keyof typeof refusals | 'model_unpriced'
}

export interface Choice {
  candidates: readonly PlannedAccount[]
  /** One of the candidates for each price that a request may have. */
  priced: readonly PlannedAccount[]
  /** The first of the accounts that cannot serve it, and why. */
  excluded: Excluded[]
  /** The answer to the caller when no account can. */
  refusal: GatewayError | undefined
}

const maxExcluded = 20

/** The answer when no account can serve, by the reason of the account that came closest. */
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

type Obstacle = keyof typeof refusals

/** From the first obstacle to the last: an account that fails a later one came closer to serving. */
const order = Object.keys(refusals) as Obstacle[]

interface Search {
  /** All accounts of the gateway. */
  accounts: Pool['accounts']
  /** Those that an administrator has set; they change only together with `accounts`. */
  prices?: Pool['prices']
  apiKey: ApiKey
  poolId: PoolId
  /** The platforms of that pool whose accounts the key may use. */
  platforms: Platform[]
  /** Undefined: the request names none, and each account may serve it. */
  model: string | undefined
  canProxy: boolean
  /** No other account may serve it. */
  onlyAccountId?: string | undefined
}

/** What was found among the accounts of one version of the pool. Callers name models, so it has a bound. */
const choices = new WeakMap<Search['accounts'], Map<string, Choice>>()
const maxChoices = 100

/**
 * The accounts of the pool that may serve `model` for this key: those that the key is bound to, or
 * else the shared ones. If there are none, the refusal `no_account` names the setting that prevents it.
 */
export function findCandidates(search: Search): Choice {
  const { accounts, poolId, platforms, model, canProxy, onlyAccountId } = search
  const known = choices.get(accounts) ?? new Map<string, Choice>()
  choices.set(accounts, known)
  const ids = platforms.map(({ id }) => id)
  const name = JSON.stringify([
    poolId,
    ids,
    canProxy,
    boundAccountIds(search),
    model,
    onlyAccountId,
  ])
  const remembered = known.get(name)
  if (remembered) return remembered
  const choice = lookFor(search)
  if (choice.refusal) return choice
  if (known.size >= maxChoices) known.clear()
  known.set(name, choice)
  return choice
}

function lookFor(search: Search): Choice {
  const { accounts, platforms, model, onlyAccountId } = search
  const boundIds = boundAccountIds(search)
  const candidates: PlannedAccount[] = []
  const excluded: Excluded[] = []
  let closest: Obstacle | undefined
  for (const { record: account } of accounts.values()) {
    const platform = platforms.find(({ id }) => id === account.platform)
    if (!platform || (onlyAccountId !== undefined && account.id !== onlyAccountId)) continue
    const asked = model === undefined ? '' : upstreamModel(account.supportedModels, model)
    const why = obstacle(account, asked, boundIds, search.canProxy)
    if (why === undefined && asked !== undefined) {
      candidates.push({ account, platform, upstreamModel: asked, family: familyOn(account, asked) })
    } else if (why !== undefined) {
      if (excluded.length < maxExcluded) excluded.push({ accountId: account.id, why })
      if (closest === undefined || order.indexOf(why) > order.indexOf(closest)) closest = why
    }
  }
  if (candidates.length > 0) {
    const owners = new Set([...(search.prices?.values() ?? [])].map(({ accountId }) => accountId))
    const priced = new Map(
      candidates.map((planned) => [
        JSON.stringify([
          planned.platform.priceProvider,
          planned.upstreamModel,
          planned.account.costMultiplier,
          owners.has(planned.account.id) && planned.account.id,
        ]),
        planned,
      ]),
    )
    return { candidates, priced: [...priced.values()], excluded, refusal: undefined }
  }
  if (boundIds.length > 0) closest ??= 'bound_elsewhere'
  const refusal = new GatewayError('no_account', refusalMessage(closest, search.poolId))
  return { candidates, priced: [], excluded, refusal }
}

function boundAccountIds({ apiKey, platforms }: Search): string[] {
  return platforms.flatMap(({ boundAccountField }) => apiKey[boundAccountField] || [])
}

const refusalMessage = (closest: Obstacle | undefined, poolId: PoolId) =>
  closest
    ? refusals[closest]
    : `This gateway has no ${poolId} account; ask your administrator to add one`

function obstacle(
  account: Account,
  asked: string | undefined,
  boundIds: string[],
  canProxy: boolean,
): Obstacle | undefined {
  const isBound = boundIds.length > 0
  if (isBound && !boundIds.includes(account.id)) return 'bound_elsewhere'
  if (!account.isActive) return 'inactive'
  if (!account.schedulable) return 'not_schedulable'
  if (!isBound && account.accountType === 'dedicated') return 'dedicated'
  if (asked === undefined) return 'model_not_supported'
  return account.proxy && !canProxy ? 'proxy_unsupported' : undefined
}

interface Prepared {
  candidates: Candidate[]
  timeZone: string
  organisationsVersion: number
  /** The quota days in it are the present ones from here to there. */
  atMs: number
  untilMs: number
}
interface Circumstances {
  nowMs: number
  timeZone: string
  organisations: Organisations
}
const prepared = new WeakMap<readonly PlannedAccount[], Prepared>()

/** The accounts in the form that the store's scripts choose from. */
export function asCandidates(
  planned: readonly PlannedAccount[],
  { nowMs, timeZone, organisations }: Circumstances,
): Candidate[] {
  const known = prepared.get(planned)
  const isPresent = known && known.atMs <= nowMs && nowMs < known.untilMs
  const { version: organisationsVersion } = organisations
  const isSame = known?.timeZone === timeZone && known.organisationsVersion === organisationsVersion
  if (isPresent && isSame) return known.candidates
  let untilMs = Infinity
  const candidates = planned.map(({ account, family }) => {
    const { id: accountId, priority, maxConcurrency } = account
    const quotaNanoUsd = toNanoUsdLimit(account.dailyQuota)
    const organisation = organisations.of(accountId)
    const candidate = { accountId, organisation, priority, maxConcurrency, family, quotaNanoUsd }
    if (quotaNanoUsd === 0) return { ...candidate, quotaDay: '', quotaEndsMs: 0 }
    const day = quotaDayAt(nowMs, timeZone, account.quotaResetTime)
    untilMs = Math.min(untilMs, day.endsMs)
    return { ...candidate, quotaDay: day.day, quotaEndsMs: day.endsMs }
  })
  prepared.set(planned, { candidates, timeZone, organisationsVersion, atMs: nowMs, untilMs })
  return candidates
}
