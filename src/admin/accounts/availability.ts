/** Whether an account can serve now: every reason against it, what ends each, and the verb that asks. */
import { z } from '@hono/zod-openapi'
import type { Account } from '../../catalog/account.ts'
import type { AccountHealth } from '../../catalog/account-health.ts'
import { openProxy, proxyUnsupported } from '../../catalog/proxy.ts'
import { counted } from '../../counted.ts'
import { failureReasons } from '../../domain/account-failure.ts'
import type { QuotaDay } from '../../domain/buckets.ts'
import type { Gateway } from '../../gateway.ts'
import { quotaDayAt } from '../../ledger/calendar.ts'
import { toUsd } from '../../money.ts'
import { type LastFailure, readLastFailure, saidOf } from '../../relay/settlement/last-failure.ts'
import { sweep } from '../../relay/settlement/orphans.ts'
import { type AccountLoad, decodeLoad } from '../../store/records/load.ts'
import { requirePermission } from '../permissions.ts'
import { type AccountRequest, findAccountState } from './find.ts'

const Reason = z
  .object({
    code: z
      .enum([
        'inactive',
        'not_schedulable',
        'proxy_unsupported',
        'credential_unreadable',
        'cooling',
        'at_capacity',
        'over_quota',
      ])
      .openapi({ description: 'Stable, for programs' }),
    message: z.string(),
    models: z
      .string()
      .openapi({ description: 'The models that it makes unavailable: `all`, or a family of them' }),
    endsBy: z.enum(['time', 'admin', 'load']),
    until: z
      .string()
      .nullable()
      .openapi({ description: 'RFC 3339; null where time alone does not end it' }),
  })
  .openapi('UnavailabilityReason')
type Reason = z.infer<typeof Reason>

export const Availability = z
  .object({
    available: z.boolean().openapi({ description: 'For every model that no reason names' }),
    reasons: z.array(Reason),
    lacks: z
      .array(
        z.object({
          operation: z.string().openapi({ description: 'Such as `responses`' }),
          until: z.string().openapi({ description: 'RFC 3339; it is asked again then' }),
        }),
      )
      .optional()
      .openapi({
        description:
          'What it does not offer, as its answers have told the process that answers this; others are asked first',
      }),
    lastFailure: z
      .object({
        at: z.string(),
        reason: z.enum(failureReasons),
        status: z
          .int()
          .nullable()
          .openapi({ description: "The upstream's; null without an answer" }),
        said: z.string().openapi({ description: "The vendor's sentence, without secrets" }),
      })
      .optional()
      .openapi({ description: 'The last failure of which the vendor said something, for a week' }),
  })
  .openapi('AccountAvailability')
export type Availability = z.infer<typeof Availability>

/**
 * Checks everything that the choice of an account for a request checks.
 * @throws GatewayError `not_permitted`, `not_found`
 */
export async function getAvailability(
  gateway: Gateway,
  { actor, platform, accountId }: AccountRequest,
): Promise<Availability> {
  requirePermission(actor, 'accounts:read')
  const { runtime, keyspace, sealer } = gateway
  const { record, health } = await findAccountState(gateway, { platform, accountId })
  const { poolId } = gateway.platforms.platformOf(record)
  // Requests whose process ended must not count as in flight.
  await sweep(gateway, poolId)
  const [packedLoad, last] = await Promise.all([
    runtime.redis.hget<string>(keyspace.load(poolId), accountId),
    readLastFailure(gateway, accountId),
  ])
  const load = decodeLoad(packedLoad)
  const { TIMEZONE } = runtime.config
  const today = quotaDayAt(runtime.now(), TIMEZONE, record.quotaResetTime)
  const reasons = [
    ...settingReasons(record),
    ...hostReasons(record, runtime.canProxy),
    ...credentialReasons(record, sealer),
    ...healthReasons(health, last),
    ...loadReasons(record, load.inflight),
    ...quotaReasons(record, load, today),
  ]
  const available = reasons.every(({ models }) => models !== 'all')
  const lacks = gateway.offerings.lackedBy(accountId).map(({ operation, untilMonotonicMs }) => {
    const untilMs = runtime.now() + untilMonotonicMs - runtime.monotonicMs()
    return { operation, until: new Date(untilMs).toISOString() }
  })
  return {
    available,
    reasons,
    ...(lacks.length > 0 && { lacks }),
    ...(last && { lastFailure: shown(last) }),
  }
}

const byAdmin = (code: Reason['code'], message: string): Reason => ({
  code,
  message,
  models: 'all',
  endsBy: 'admin',
  until: null,
})

function settingReasons({ isActive, schedulable }: Account): Reason[] {
  const reasons: Reason[] = []
  if (!isActive) reasons.push(byAdmin('inactive', 'The account is switched off'))
  if (!schedulable) {
    reasons.push(
      byAdmin('not_schedulable', 'The account takes no new requests until it is toggled'),
    )
  }
  return reasons
}

function hostReasons({ proxy }: Account, canProxy: boolean): Reason[] {
  return proxy && !canProxy ? [byAdmin('proxy_unsupported', proxyUnsupported)] : []
}

function credentialReasons(record: Account, sealer: Gateway['sealer']): Reason[] {
  const { id, sealedApiKey, proxy } = record
  return [
    ...unreadable('credential', 'apiKey', () => sealer.unseal(sealedApiKey, id)),
    ...unreadable('password of the proxy', 'proxy', () => openProxy(proxy, sealer, id)),
  ]
}

function unreadable(what: string, field: string, open: () => void): Reason[] {
  try {
    open()
    return []
  } catch {
    const message = `The stored ${what} cannot be read with this ENCRYPTION_KEY; set ${field} again`
    return [byAdmin('credential_unreadable', message)]
  }
}

const shown = ({ atMs, ...failure }: LastFailure) => ({
  at: new Date(atMs).toISOString(),
  ...failure,
})

function healthReasons({ cooldowns }: AccountHealth, last: LastFailure | undefined): Reason[] {
  return cooldowns
    .filter(({ status }) => status === 'cooling')
    .map(({ models, reason, until }) => {
      const what = models === 'all' ? 'The account is' : `Its ${models} models are`
      const said = saidOf(last, reason)
      const words = said === undefined ? '' : `; the vendor said: ${said}`
      const message = `${what} cooling down: ${reason}${adviceOn(reason)}${words}`
      return { code: 'cooling', message, models, endsBy: 'time', until }
    })
}

const adviceOn = (reason: string | null) =>
  reason === 'account_refused'
    ? '; the vendor refuses its credential, and an administrator has to renew it'
    : ''

function loadReasons({ maxConcurrency }: Account, inflight: number): Reason[] {
  if (maxConcurrency === 0 || inflight < maxConcurrency) return []
  const message = `The account has ${counted(inflight, 'request')} in flight, and its limit is ${maxConcurrency}`
  return [{ code: 'at_capacity', message, models: 'all', endsBy: 'load', until: null }]
}

function quotaReasons({ dailyQuota }: Account, load: AccountLoad, today: QuotaDay): Reason[] {
  // The day may be later than today where the clock of another process is ahead.
  const spentUsd = load.day >= today.day ? toUsd(load.spentNanoUsd) : 0
  if (dailyQuota === 0 || spentUsd < dailyQuota) return []
  const message = `The account has cost $${spentUsd} of its $${dailyQuota} for the day`
  const until = new Date(today.endsMs).toISOString()
  return [{ code: 'over_quota', message, models: 'all', endsBy: 'time', until }]
}
