/** The one route for the holder of a gateway key: what the key may do, and what is left of it. */
import { createRoute, z } from '@hono/zod-openapi'
import { type ApiKey, ApiKeySettings } from '../../catalog/api-key.ts'
import { toIso } from '../../dates.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { authenticate } from '../../relay/authenticate.ts'
import { activationMs, usableKey } from '../../relay/plan.ts'
import { answer, refused } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { KeyStats } from '../keys/stats.ts'
import { type Counters, Limit, limitsOf, readCounters } from './limits.ts'

const { expirationMode, permissions, enableModelRestriction, restrictedModels } =
  ApiKeySettings.shape

const OwnKey = z
  .object({
    name: z.string(),
    keyPreview: z.string(),
    permissions,
    expirationMode,
    activatedAt: z.string().nullable().openapi({ description: 'First use' }),
    expiresAt: z.string().nullable().openapi({
      description: 'null: never, or counted from a first use that has not been',
    }),
    lastUsedAt: z.string().nullable(),
    enableModelRestriction,
    restrictedModels,
    limits: z.array(Limit).openapi({ description: 'Those that are set' }),
    usage: KeyStats,
  })
  .openapi('OwnApiKey')

const me = createRoute({
  method: 'get',
  path: '/me',
  tags: ['Own key'],
  security: [{ GatewayKey: [] }],
  summary: 'Tell the holder of a key about it',
  description: 'The key itself is the credential, as `x-api-key` or as `Authorization: Bearer`.',
  responses: {
    200: answer(OwnKey, 'The key, its limits and its usage'),
    401: refused[401],
    503: refused[503],
  },
})

/** Registers the route; it wants a gateway key and no session. */
export function meRoute(app: AdminApp, gateway: Gateway): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'GatewayKey', {
    type: 'apiKey',
    in: 'header',
    name: 'x-api-key',
  })
  app.openapi(me, async (c) => {
    // RFC 9110 §11.6.1 wants the challenge with every 401; it stays only on this one.
    c.header('www-authenticate', 'Bearer')
    const apiKey = await ownKey(gateway, c.req.raw.headers)
    const counters = await readCounters(gateway, apiKey)
    const expiresAtMs = expiryOf(apiKey, counters)
    if (expiresAtMs !== undefined && expiresAtMs <= gateway.runtime.now()) {
      const message = `This gateway key expired at ${toIso(expiresAtMs)}`
      throw new GatewayError('key_expired', message)
    }
    c.header('www-authenticate', undefined)
    return c.json(describe(gateway, apiKey, counters, expiresAtMs), 200)
  })
}

/** The caller's key as the store has it now. @throws GatewayError as the relay does. */
async function ownKey({ catalog, runtime }: Gateway, headers: Headers): Promise<ApiKey> {
  const { snapshot, isFresh } = await authenticate(catalog, headers)
  return usableKey(isFresh ? snapshot : await catalog.load(snapshot.digest), runtime.now())
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
): z.infer<typeof OwnKey> {
  const { name, keyPreview, permissions, expirationMode } = apiKey
  const { enableModelRestriction, restrictedModels } = apiKey
  const time = (field: string) => toIso(Number(counters.field(field)) || undefined)
  return {
    name,
    keyPreview,
    permissions,
    expirationMode,
    activatedAt: time('activatedAtMs'),
    expiresAt: toIso(expiresAtMs),
    lastUsedAt: time('lastUsedAtMs'),
    enableModelRestriction,
    restrictedModels,
    limits: limitsOf(apiKey, counters, runtime.now(), runtime.config.TIMEZONE),
    usage: counters.usage,
  }
}
