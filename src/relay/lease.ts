/** Lease: keeps the lease of a request alive for as long as the request runs, however long that is. */
import { every, type Timer } from '../clock.ts'
import type { Gateway } from '../gateway.ts'
import { renewScript } from '../store/scripts/renew.ts'
import type { Plan } from './plan.ts'

/**
 * Renews the lease of a request three times in its length, until the timer is cleared: an attempt, a
 * silent upstream and a client that reads slowly may each take longer than a lease.
 */
export function renewLease({ runtime, keyspace }: Gateway, plan: Plan): Timer {
  const leaseMs = runtime.config.LEASE_SECONDS * 1000
  const { ledgerId, poolId, apiKey } = plan
  const input = { ledgerId, poolId, keyId: apiKey.id, leaseMs }
  const renew = () =>
    // One that fails is followed by the next; the settlement replaces an orphan in any case.
    runtime.defer(renewScript(runtime.redis, keyspace, input).catch(() => {}))
  return every(runtime, renew, leaseMs / 3)
}

/** The same for as long as `work` takes. @throws what `work` throws. */
export async function whileLeased<Result>(
  gateway: Gateway,
  plan: Plan,
  work: () => Promise<Result>,
): Promise<Result> {
  const renewal = renewLease(gateway, plan)
  try {
    return await work()
  } finally {
    renewal.clear()
  }
}
