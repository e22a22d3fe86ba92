/** Whether an account can serve now: every reason against it, and what ends each. */
import { z } from '@hono/zod-openapi'
import type { Account, Platform } from '../../catalog/account.ts'
import { type AccountHealth, getAccount } from '../../catalog/accounts.ts'
import type { Gateway } from '../../gateway.ts'
import { sweep } from '../../relay/settle.ts'

const Reason = z
  .object({
    code: z
      .enum(['inactive', 'not_schedulable', 'credential_unreadable', 'cooling', 'at_capacity'])
      .openapi({ description: 'Stable; programs decide by it' }),
    message: z.string(),
    endsBy: z.enum(['time', 'admin', 'load']),
    until: z.string().nullable().openapi({ description: 'RFC 3339, where time ends it' }),
  })
  .openapi('UnavailabilityReason')
type Reason = z.infer<typeof Reason>

export const Availability = z
  .object({ available: z.boolean(), reasons: z.array(Reason) })
  .openapi('AccountAvailability')
export type Availability = z.infer<typeof Availability>

/** Asks everything that the choice of an account asks. @throws GatewayError `not_found` */
export async function readAvailability(
  gateway: Gateway,
  platform: Platform,
  accountId: string,
): Promise<Availability> {
  const { runtime, keyspace, sealer } = gateway
  const { record, health } = await getAccount(gateway, platform, accountId)
  // Requests whose process vanished hold their places until somebody looks.
  await sweep(gateway, platform)
  const inflight = Number(await runtime.redis.hget(keyspace.inflight(platform), accountId)) || 0
  const reasons = [
    ...settingReasons(record),
    ...credentialReasons(record, sealer),
    ...healthReasons(health),
    ...loadReasons(record, inflight),
  ]
  return { available: reasons.length === 0, reasons }
}

const byAdmin = (code: Reason['code'], message: string): Reason => ({
  code,
  message,
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

function credentialReasons(record: Account, sealer: Gateway['sealer']): Reason[] {
  try {
    sealer.unseal(record.sealedApiKey, record.id)
    return []
  } catch {
    const message =
      'The stored credential cannot be read with this ENCRYPTION_KEY; set apiKey again'
    return [byAdmin('credential_unreadable', message)]
  }
}

function healthReasons({ status, reason, until }: AccountHealth): Reason[] {
  if (status !== 'cooling') return []
  return [{ code: 'cooling', message: `The account rests: ${reason}`, endsBy: 'time', until }]
}

function loadReasons({ maxConcurrency }: Account, inflight: number): Reason[] {
  if (maxConcurrency === 0 || inflight < maxConcurrency) return []
  const message = `The account has ${inflight} requests in flight, and its limit is ${maxConcurrency}`
  return [{ code: 'at_capacity', message, endsBy: 'load', until: null }]
}
