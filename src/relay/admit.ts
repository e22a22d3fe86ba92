/** Admit: turns a plan into a lease on an account, or into the refusal the caller should see. */
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { bucketsAt, isOpus, periodEndMs } from '../ledger/ledger.ts'
import { admitScript } from '../store/scripts/admit.ts'
import type { AdmitReply, CostCause, DenyReply } from '../store/scripts/admit-reply.ts'
import type { NoneReply } from '../store/scripts/shared.ts'
import { type Admission, activationMs, asCandidates, type Plan } from './plan.ts'
import { settleOrphans, settleVoid, sweep } from './settle.ts'

export type { Gateway } from '../gateway.ts'

/** One request at a time tries a recovering account for this long. */
export const probeMs = 30_000

const minute = 60_000

/**
 * One round trip.
 * @returns the admission, or the catalog's newer rows when the plan was made with old ones.
 * @throws GatewayError the refusal of a limit, `accounts_unavailable`, or `store_unavailable`.
 */
export async function admit(
  gateway: Gateway,
  plan: Plan,
): Promise<Admission | Extract<AdmitReply, { kind: 'stale' }>> {
  const reply = await decide(gateway, plan)
  switch (reply.kind) {
    case 'stale':
      return reply
    case 'deny':
      // What vanished processes still hold would refuse this key for ever, were it never swept.
      if (reply.heldNanoUsd > 0) {
        gateway.runtime.defer(sweep(gateway, plan.protocol.platform))
      }
      throw denial(reply, gateway.runtime.config.TIMEZONE)
    case 'none':
      throw allBusy(reply)
    case 'gone':
      throw new GatewayError('internal', 'This request was ended before it began')
    case 'ok':
      if (reply.orphans.length > 0) gateway.runtime.defer(settleOrphans(gateway, reply.orphans))
      return admissionOf(plan, reply)
  }
}

/** The admission that a script's `ok` stands for. */
export function admissionOf(plan: Plan, reply: Omit<Admission, 'plan'>): Admission {
  const { accountId, generation, expiresAtMs } = reply
  return { plan, accountId, generation, expiresAtMs }
}

async function decide(gateway: Gateway, plan: Plan): Promise<AdmitReply> {
  const { runtime, keyspace } = gateway
  const { apiKey, snapshot } = plan
  const { day, week } = bucketsAt(runtime.now(), runtime.config.TIMEZONE)
  const hasWindow =
    apiKey.rateLimitWindow > 0 && (apiKey.rateLimitRequests > 0 || apiKey.rateLimitCost > 0)
  try {
    return await admitScript(runtime.redis, keyspace, {
      poolVersion: snapshot.pool.version,
      keyRevision: String(snapshot.apiKey?.revision ?? 0),
      digest: snapshot.digest,
      ledgerId: plan.ledgerId,
      platform: plan.protocol.platform,
      keyId: apiKey.id,
      sessionKey: plan.sessionKey,
      model: plan.model,
      holdNanoUsd: plan.holdNanoUsd,
      leaseMs: runtime.config.LEASE_SECONDS * 1000,
      probeMs,
      concurrencyLimit: apiKey.concurrencyLimit,
      windowMs: hasWindow ? apiKey.rateLimitWindow * minute : 0,
      windowRequests: apiKey.rateLimitRequests,
      activationMs: activationMs(apiKey),
      day,
      week,
      isOpus: plan.candidates.some((candidate) => isOpus(candidate.upstreamModel)),
      limits: {
        totalNanoUsd: toNanoUsd(apiKey.totalCostLimit),
        dailyNanoUsd: toNanoUsd(apiKey.dailyCostLimit),
        weeklyOpusNanoUsd: toNanoUsd(apiKey.weeklyOpusCostLimit),
        windowNanoUsd: hasWindow ? toNanoUsd(apiKey.rateLimitCost) : 0,
      },
      candidates: asCandidates(plan.candidates),
    })
  } catch (error) {
    // The script may have run although its reply was lost: the tombstone ends its lease either way.
    settleVoid(gateway, plan)
    throw error
  }
}

function denial(reply: DenyReply, timeZone: string): GatewayError {
  const { cause, limit, used, resetMs, nowMs } = reply
  switch (cause) {
    case 'expired':
      return new GatewayError(
        'key_expired',
        `This gateway key expired at ${new Date(resetMs).toISOString()}`,
      )
    case 'concurrency':
      return new GatewayError(
        'concurrency_limit',
        `This gateway key has ${used} requests in flight, and its limit is ${limit}`,
        { retryAfterSeconds: 1 },
      )
    case 'window':
      return new GatewayError(
        'request_limit',
        `This gateway key has used ${used} of ${limit} requests; the window resets at ${new Date(resetMs).toISOString()}`,
        { retryAfterSeconds: secondsUntil(resetMs, nowMs) },
      )
    default:
      return costDenial({ ...reply, cause }, timeZone)
  }
}

const costLimits: Record<CostCause, { name: string; period: 'day' | 'week' | undefined }> = {
  total_cost: { name: 'total limit', period: undefined },
  daily_cost: { name: 'daily limit', period: 'day' },
  weekly_opus_cost: { name: 'weekly limit for Opus models', period: 'week' },
  window_cost: { name: 'limit for this window', period: undefined },
}

/** A spent budget is a final stop; one that others in flight may spend is a short wait. */
function costDenial(reply: DenyReply & { cause: CostCause }, timeZone: string): GatewayError {
  const { cause, limit, used, nowMs, heldNanoUsd } = reply
  const { name, period } = costLimits[cause]
  const spent = `This gateway key has spent ${usd(used)} of its ${name} of ${usd(limit)}`
  if (heldNanoUsd > 0) {
    const message = `${spent}, and requests in flight hold ${usd(heldNanoUsd)}; try again shortly`
    return new GatewayError('budget_held', message, { retryAfterSeconds: 2 })
  }
  const resetMs = period ? periodEndMs(period, nowMs, timeZone) : reply.resetMs
  if (resetMs === 0) return new GatewayError('budget_exceeded', spent)
  return new GatewayError(
    'budget_exceeded',
    `${spent}; it resets at ${new Date(resetMs).toISOString()}`,
    { retryAfterSeconds: secondsUntil(resetMs, nowMs) },
  )
}

const nanoPerUsd = 1e9
const toNanoUsd = (usd: number) => Math.round(usd * nanoPerUsd)
const currency = new Intl.NumberFormat('en-US', {
  style: 'currency',
  currency: 'USD',
  maximumFractionDigits: 6,
})
const usd = (nanoUsd: number) => currency.format(nanoUsd / nanoPerUsd)

/** The refusal when every candidate cools or is full, with the soonest time a repeat can succeed. */
export function allBusy(reply: NoneReply): GatewayError {
  const { soonestMs, cooling, limited, full, nowMs } = reply
  const retryAfterSeconds = full > 0 || soonestMs === 0 ? 1 : secondsUntil(soonestMs, nowMs)
  const isLimited = full === 0 && limited === cooling
  const state = isLimited ? 'rate limited' : 'busy or recovering'
  return new GatewayError(
    isLimited ? 'accounts_rate_limited' : 'accounts_unavailable',
    `All upstream accounts are ${state}; try again in ${retryAfterSeconds} s`,
    { retryAfterSeconds },
  )
}

function secondsUntil(thenMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((thenMs - nowMs) / 1000))
}
