/** Plans an unmetered request: which accounts to ask, in which order, with the catalog as it is now. */
import type { Snapshot } from '../../catalog/catalog.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { HeaderReader } from '../../http-message.ts'
import { type RankReply, rankScript } from '../../store/scripts/rank.ts'
import type { Principal } from '../authenticate.ts'
import { permittedUse } from '../permitted-use.ts'
import { activationMs, checkModel } from '../plan.ts'
import type { Binding } from '../request/session.ts'
import type { RelayRoute } from '../routes.ts'
import { issuerGone } from '../scheduling/bound.ts'
import { findCandidates, type PlannedAccount } from '../scheduling/candidates.ts'

/** An edit may race with its own effect a few times; more means the store is not consistent. */
const maxPlans = 5

/** What decides where the request goes. */
export interface Target {
  route: RelayRoute
  headers: HeaderReader
  /** Undefined: it names none, and any account may be the one. */
  model: string | undefined
  /** Of an id that only the account which issued it can serve. */
  affinityDigest: string | undefined
  /** The account that serves this session comes first. */
  sessionKey?: string | undefined
  /** What in it binds it to one account, known or not; of a stored response the caller says so itself. */
  binding?: Binding | undefined
  /** It holds what was encrypted for the account of its session. */
  hasBoundContent?: boolean
}

/** The accounts to ask, best first. */
export interface Ranked {
  accounts: readonly PlannedAccount[]
  /** Whether an id in the request was issued by an account that is known. */
  isIssuerKnown: boolean
}

/**
 * @returns the accounts that may serve it, those that cool down last; of a request with an id only the
 * account that issued it, or none where that is gone.
 * @throws GatewayError the refusal of the key, of its model, that no account serves it, `key_expired`, `issuer_gone`.
 */
export async function planUnmetered(
  gateway: Gateway,
  target: Target,
  known: Principal,
): Promise<Ranked> {
  const { catalog } = gateway
  let { snapshot, isFresh } = known
  for (let plans = 0; plans < maxPlans; plans++) {
    let planned: ReturnType<typeof candidatesOf>
    try {
      planned = candidatesOf(gateway, target, snapshot)
    } catch (refusal) {
      // A refusal made with an old catalog is no refusal: ask the store once before saying no.
      if (isFresh) throw refusal
      snapshot = await catalog.load(snapshot.digest)
      isFresh = true
      continue
    }
    const { apiKey, candidates } = planned
    const { poolId } = target.route
    const reply = await rankScript(gateway.runtime.redis, gateway.keyspace, {
      poolVersion: snapshot.pool.version,
      keyRevision: String(snapshot.apiKey?.revision ?? 0),
      digest: snapshot.digest,
      poolId,
      keyId: apiKey.id,
      affinityDigest: target.affinityDigest,
      sessionKey: target.sessionKey,
      activationMs: activationMs(apiKey),
      candidates: candidates.map(({ account, family }) => ({ accountId: account.id, family })),
    })
    if (reply.kind === 'expired') {
      const endedAt = new Date(reply.endedMs).toISOString()
      throw new GatewayError('key_expired', `This gateway key expired at ${endedAt}`)
    }
    if (reply.kind === 'ok') return rank(candidates, reply, target)
    const isLost = reply.pool.length === 0 && reply.apiKey.length === 0
    snapshot = isLost ? await catalog.load(snapshot.digest) : catalog.apply(snapshot, reply)
    isFresh = true
  }
  throw new GatewayError('store_unavailable', 'The gateway configuration keeps changing; try again')
}

function candidatesOf(gateway: Gateway, { route, headers, model }: Target, snapshot: Snapshot) {
  const { runtime, platforms: registry } = gateway
  const { poolId } = route
  const asking = { apiKey: snapshot.apiKey?.record, headers, nowMs: runtime.now() }
  const { apiKey, platforms } = permittedUse(asking, registry.inPool(poolId))
  if (model !== undefined) checkModel(apiKey, model)
  const { accounts } = snapshot.pool
  const { canProxy } = runtime
  const search = { accounts, apiKey, poolId, platforms, model, canProxy }
  const { candidates, refusal } = findCandidates(search)
  if (refusal) throw refusal
  return { apiKey, candidates }
}

/** Failures that time ends: an account that has one may well answer what is not metered. */
const isRefused = (reason: string) =>
  reason === 'account_refused' || reason === 'credential_unreadable'

function rank(
  candidates: readonly PlannedAccount[],
  { issuer, cooling, sessionAccount }: Extract<RankReply, { kind: 'ok' }>,
  target: Target,
): Ranked {
  const { binding } = target
  const holder = issuer || (target.hasBoundContent && sessionAccount)
  if (binding && holder) {
    const accounts = candidates.filter(({ account }) => account.id === holder)
    if (accounts.length === 0) throw issuerGone(binding)
    return { accounts, isIssuerKnown: true }
  }
  if (!binding && target.affinityDigest !== undefined) {
    const accounts = candidates.filter(({ account }) => account.id === issuer)
    return { accounts, isIssuerKnown: issuer !== '' }
  }
  const penalties = new Map<string, number>()
  for (const { accountId, reason } of cooling) {
    penalties.set(accountId, Math.max(penalties.get(accountId) ?? 0, isRefused(reason) ? 2 : 1))
  }
  const penaltyOf = ({ account }: PlannedAccount) => penalties.get(account.id) ?? 0
  const rankOf = ({ account }: PlannedAccount) =>
    account.id === sessionAccount ? 0 : account.priority
  const accounts = candidates.toSorted(
    (a, b) => penaltyOf(a) - penaltyOf(b) || rankOf(a) - rankOf(b),
  )
  // Of what only one can serve, no second one is asked.
  return { accounts: binding ? accounts.slice(0, 1) : accounts, isIssuerKnown: false }
}
