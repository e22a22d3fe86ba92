/** What a gateway key has consumed, and the verb that reads it. */
import { z } from '@hono/zod-openapi'
import type { Actor } from '../../domain/actor.ts'
import type { Sums } from '../../domain/sums.ts'
import type { Gateway } from '../../gateway.ts'
import { bucketsAt } from '../../ledger/calendar.ts'
import { type KeySums, readKeySums } from '../../ledger/ledger.ts'
import { toUsd } from '../../money.ts'
import { sweep } from '../../relay/settlement/orphans.ts'
import { requirePermission } from '../permissions.ts'
import { findApiKey } from './find.ts'

const consumptionOf = (count: z.ZodInt, usd: z.ZodNumber) =>
  z.object({
    requests: count,
    inputTokens: count.openapi({ description: 'Without what was written to or read from a cache' }),
    outputTokens: count,
    cacheCreateTokens: count.openapi({ description: 'The sum of the next four' }),
    cacheCreate5mTokens: count,
    cacheCreate1hTokens: count,
    cacheCreate30mTokens: count,
    cacheCreate12hTokens: count,
    cacheReadTokens: count,
    webSearchRequests: count,
    costUsd: usd,
    estimatedRequests: count.openapi({ description: 'Requests with an estimated output' }),
    orphanedRequests: count.openapi({ description: 'Requests whose process ended before them' }),
    orphanedCostUsd: usd.openapi({ description: 'Their estimated share of `costUsd`' }),
    unpricedRequests: count.openapi({ description: 'Requests of a model without a price' }),
    reasoningTokens: count.openapi({ description: 'Part of `outputTokens`' }),
    sessionMoves: count.openapi({ description: 'Sessions that moved to another account' }),
  })

const Consumption = consumptionOf(z.int().min(0), z.number().min(0)).openapi('Consumption')
type Consumption = z.infer<typeof Consumption>

const PeriodConsumption = consumptionOf(z.int(), z.number()).openapi('PeriodConsumption', {
  description:
    'Negative where an estimate of an earlier period was taken back: what is recorded of that stays as it is',
})

/** Since the beginning, and in the current day and month of the configured time zone. */
export const KeyStats = z
  .object({ total: Consumption, daily: PeriodConsumption, monthly: PeriodConsumption })
  .openapi('ApiKeyStats')
export type KeyStats = z.infer<typeof KeyStats>

/**
 * Reads the usage of a key, after the cost of requests whose process ended without settling them is
 * recorded.
 * @throws GatewayError `not_permitted`, `not_found`
 */
export async function getKeyStats(
  gateway: Gateway,
  { actor, keyId }: { actor: Actor; keyId: string },
): Promise<KeyStats> {
  requirePermission(actor, 'usage:read')
  const { redis, config, now } = gateway.runtime
  await findApiKey(gateway, keyId)
  for (const poolId of gateway.platforms.poolIds) await sweep(gateway, poolId)
  const counters = gateway.keyspace.keyCounters(keyId)
  const buckets = bucketsAt(now(), config.TIMEZONE)
  return toKeyStats(await readKeySums(redis, counters, buckets))
}

/** The sums of a key in the units and names of the API. */
export function toKeyStats({ total, daily, monthly }: KeySums): KeyStats {
  return {
    total: toConsumption(total),
    daily: toConsumption(daily),
    monthly: toConsumption(monthly),
  }
}

/** Sums of the usage ledger in the units and names of the API. */
export function toConsumption(sums: Sums): Consumption {
  const {
    cacheWrite5mTokens,
    cacheWrite1hTokens,
    cacheWrite30mTokens,
    cacheWrite12hTokens,
    costNanoUsd,
    orphanedCostNanoUsd,
  } = sums
  return {
    requests: sums.requests,
    inputTokens: sums.inputTokens,
    outputTokens: sums.outputTokens,
    cacheReadTokens: sums.cacheReadTokens,
    webSearchRequests: sums.webSearchRequests,
    estimatedRequests: sums.estimatedRequests,
    orphanedRequests: sums.orphanedRequests,
    unpricedRequests: sums.unpricedRequests,
    reasoningTokens: sums.reasoningTokens,
    sessionMoves: sums.sessionMoves,
    cacheCreateTokens:
      cacheWrite5mTokens + cacheWrite1hTokens + cacheWrite30mTokens + cacheWrite12hTokens,
    cacheCreate5mTokens: cacheWrite5mTokens,
    cacheCreate1hTokens: cacheWrite1hTokens,
    cacheCreate30mTokens: cacheWrite30mTokens,
    cacheCreate12hTokens: cacheWrite12hTokens,
    costUsd: toUsd(costNanoUsd),
    orphanedCostUsd: toUsd(orphanedCostNanoUsd),
  }
}
