/** The health check, which is public: whether the gateway can serve, and for which platforms. */
import { z } from '@hono/zod-openapi'
import { type Account, familiesOf } from '../catalog/account.ts'
import { readHealths } from '../catalog/account-health.ts'
import type { PoolId } from '../domain/platform.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { ttl } from '../store/keyspace.ts'
import { IncompatibleStore } from '../store/schema.ts'

/** `usable`: some account can be chosen now; `no_accounts`: none is set up. It names no account. */
const PlatformState = z.enum(['usable', 'unusable', 'no_accounts'])

export const Health = z
  .object({
    status: z.enum(['ok', 'unavailable', 'starting']),
    store: z.object({ latencyMs: z.number().optional(), error: z.string().optional() }).optional(),
    platforms: z.record(z.string(), PlatformState).optional().openapi({
      description: 'Whether any account of the platform can be chosen now',
    }),
  })
  .openapi('Health', {
    example: {
      status: 'ok',
      store: { latencyMs: 2 },
      platforms: { 'claude-console': 'usable', codex: 'no_accounts' },
    },
  })
export type Health = z.infer<typeof Health>

/** For so long an answer is given again: no credential is needed to ask, and each check writes to the store. */
const keptMs = 200
/** Of a platform with more accounts these are looked at. */
const maxAccounts = 200

/**
 * Makes the check.
 * @returns `ok` when the store has the format of this gateway and takes a write in time, and else
 * `unavailable`; never throws.
 */
export function createHealthCheck(gateway: Gateway): () => Promise<Health> {
  const { runtime } = gateway
  let last: { health: Health; atMonotonicMs: number } | undefined
  return async () => {
    const askedMs = runtime.monotonicMs()
    // The answer itself, not the promise: on Workers a request cannot wait for another one's work.
    if (last && askedMs - last.atMonotonicMs < keptMs) return last.health
    const health = await check(gateway).catch(unavailable)
    last = { health, atMonotonicMs: runtime.monotonicMs() }
    return health
  }
}

async function check(gateway: Gateway): Promise<Health> {
  const { redis, monotonicMs } = gateway.runtime
  // Memory is renewed by requests only, and would show an idle process an old pool. This also looks at
  // the format of the store, before anything is written to it.
  const { accounts } = await gateway.catalog.loadPool()
  const startedMs = monotonicMs()
  const written = redis
    .set(gateway.keyspace.healthCheck, '1', { px: ttl.healthCheckMs })
    .then(() => monotonicMs() - startedMs)
  const records = [...accounts.values()].map(({ record }) => record)
  const [latencyMs, platforms] = await Promise.all([written, platformStates(gateway, records)])
  return { status: 'ok', store: { latencyMs }, platforms }
}

function unavailable(error: unknown): Health {
  if (error instanceof IncompatibleStore) {
    return { status: 'unavailable', store: { error: error.message } }
  }
  const cause = error instanceof GatewayError && error.cause instanceof Error ? error.cause : null
  const [, code] = /^The store answers ([A-Z]+)$/.exec(cause?.message ?? '') ?? []
  const fault =
    code === undefined ? 'The store does not answer' : `The store takes no writes (${code})`
  return { status: 'unavailable', store: { error: fault } }
}

async function platformStates(gateway: Gateway, records: Account[]): Promise<Health['platforms']> {
  const states = await Promise.all(
    gateway.platforms.all.map(async ({ id, poolId }) => {
      const own = records.filter(({ platform }) => platform === id)
      return [id, await stateOf(gateway, poolId, own)] as const
    }),
  )
  return Object.fromEntries(states)
}

async function stateOf(
  gateway: Gateway,
  poolId: PoolId,
  accounts: Account[],
): Promise<z.infer<typeof PlatformState>> {
  if (accounts.length === 0) return 'no_accounts'
  const { canProxy } = gateway.runtime
  const usable = accounts
    .filter(({ isActive, schedulable, proxy }) => isActive && schedulable && (canProxy || !proxy))
    .slice(0, maxAccounts)
  const healths = await readHealths(gateway, poolId, usable)
  const isUsable = usable.some((account, i) => {
    const cooling = healths[i]?.cooldowns.filter(({ status }) => status === 'cooling') ?? []
    const out = new Set(cooling.map(({ models }) => models))
    return !out.has('all') && !familiesOf(account).every((family) => out.has(family))
  })
  return isUsable ? 'usable' : 'unusable'
}
