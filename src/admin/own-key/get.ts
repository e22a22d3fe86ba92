/** The verb that shows a gateway key to its holder, and the shape of the answer. */
import { z } from '@hono/zod-openapi'
import { type ApiKey, ApiKeySettings } from '../../catalog/api-key.ts'
import { toIso } from '../../dates.ts'
import type { Actor } from '../../domain/actor.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { activationMs } from '../../relay/plan.ts'
import { KeyStats } from '../keys/stats.ts'
import { requirePermission } from '../permissions.ts'
import { type Counters, Limit, limitsOf, readCounters } from './limits.ts'

const { expirationMode, permissions, enableModelRestriction, restrictedModels } =
  ApiKeySettings.shape

export const OwnKey = z
  .object({
    name: z.string(),
    keyPreview: z.string(),
    permissions,
    expirationMode,
    activatedAt: z.string().nullable().openapi({ description: 'First use' }),
    expiresAt: z.string().nullable().openapi({
      description: 'null: never, or counted from its first use, which has not been yet',
    }),
    lastUsedAt: z.string().nullable(),
    enableModelRestriction,
    restrictedModels,
    limits: z.array(Limit).openapi({ description: 'Those that are set' }),
    usage: KeyStats,
  })
  .openapi('OwnApiKey')
export type OwnKey = z.infer<typeof OwnKey>

/**
 * What a key may do, what of its limits is used and left, and its usage.
 * @param request.apiKey the key of the caller, as the store has it now.
 * @throws GatewayError `not_permitted`, `key_expired` when its life since its first use is over.
 */
export async function getOwnKey(
  gateway: Gateway,
  { actor, apiKey }: { actor: Actor; apiKey: ApiKey },
): Promise<OwnKey> {
  requirePermission(actor, 'own_key:read')
  const counters = await readCounters(gateway, apiKey)
  const expiresAtMs = expiryOf(apiKey, counters)
  if (expiresAtMs !== undefined && expiresAtMs <= gateway.runtime.now()) {
    const message = `This gateway key expired at ${toIso(expiresAtMs)}`
    throw new GatewayError('key_expired', message)
  }
  return describe(gateway, apiKey, counters, expiresAtMs)
}

function expiryOf(apiKey: ApiKey, { field }: Counters): number | undefined {
  const { expirationMode, expiresAt } = apiKey
  if (expirationMode === 'fixed') return expiresAt === null ? undefined : Date.parse(expiresAt)
  const lifeMs = activationMs(apiKey)
  const activatedAtMs = Number(field('activatedAtMs'))
  return lifeMs > 0 && activatedAtMs > 0 ? activatedAtMs + lifeMs : undefined
}

function describe(
  { runtime }: Gateway,
  apiKey: ApiKey,
  counters: Counters,
  expiresAtMs: number | undefined,
): OwnKey {
  const { name, keyPreview, permissions, expirationMode } = apiKey
  const { enableModelRestriction, restrictedModels } = apiKey
  return {
    name,
    keyPreview,
    permissions,
    expirationMode,
    activatedAt: toIso(Number(counters.field('activatedAtMs'))),
    expiresAt: toIso(expiresAtMs),
    lastUsedAt: toIso(Number(counters.field('lastUsedAtMs'))),
    enableModelRestriction,
    restrictedModels,
    limits: limitsOf(apiKey, counters, runtime.now(), runtime.config.TIMEZONE),
    usage: counters.usage,
  }
}
