/** The gateway key record: what an admin sets, what is stored, what is shown. */
import { z } from '@hono/zod-openapi'
import type { Issue } from '../errors.ts'

const text = (max: number) => z.string().trim().max(max)

/** Programs that a key may be restricted to; told by their headers, which anyone can forge. */
export const clientNames = [
  'claude_code',
  'codex',
  'codex_engine',
  'anthropic_sdk',
  'openai_sdk',
  'vercel_ai',
] as const
export type ClientName = (typeof clientNames)[number]

const Usd = z.number().min(0).max(1_000_000).default(0)

const words = (length: number, count: number) =>
  z
    .array(text(length).min(1))
    .max(count)
    .transform((list) => [...new Set(list)])
    .default([])

/** The fields an admin may set on a key. Limits: 0 = none. */
export const ApiKeySettings = z.strictObject({
  name: text(100).min(1),
  description: text(1000).default(''),
  tags: words(50, 50),
  icon: text(200).default(''),
  isActive: z.boolean().default(true),
  expirationMode: z.enum(['fixed', 'activation']).default('fixed'),
  /** RFC 3339; null = never. Read in the mode `fixed`. */
  expiresAt: z.iso.datetime({ offset: true }).nullable().default(null),
  /** Length of life counted from first use, in `activationUnit`; 0 = never ends. */
  activationDays: z.int().min(0).max(87_600).default(0).openapi({
    description: 'Life from first use, in activationUnit',
  }),
  activationUnit: z.enum(['hours', 'days']).default('days'),
  permissions: z.enum(['all', 'claude', 'codex']).default('all'),
  claudeConsoleAccountId: text(64).nullable().default(null),
  codexAccountId: text(64).nullable().default(null),
  concurrencyLimit: z.int().min(0).max(100_000).default(0).openapi({
    description: 'Requests in flight at most; 0 = no limit',
  }),
  /** Length of the request window in minutes. */
  rateLimitWindow: z.int().min(0).max(525_600).default(0).openapi({
    description: 'Minutes; 0 = none',
  }),
  /** Requests per window. */
  rateLimitRequests: z.int().min(0).max(1_000_000_000).default(0).openapi({
    description: 'Requests per window; 0 = no limit',
  }),
  /** USD per window. */
  rateLimitCost: Usd.openapi({ description: 'USD per window; 0 = no limit' }),
  /** USD per calendar day of the configured zone. */
  dailyCostLimit: Usd.openapi({ description: 'USD per calendar day; 0 = no limit' }),
  /** USD per week, from Monday, on Opus models only. */
  weeklyOpusCostLimit: Usd.openapi({
    description: 'USD per week from Monday, on Opus models; 0 = no limit',
  }),
  /** USD over the life of the key. */
  totalCostLimit: Usd.openapi({ description: 'USD over the life of the key; 0 = no limit' }),
  enableModelRestriction: z.boolean().default(false),
  /** The only models that may be asked for; a `*` at the end matches a family. */
  restrictedModels: words(200, 500),
  enableClientRestriction: z.boolean().default(false),
  /** The only clients that may ask; names of `relay/client.ts`. */
  allowedClients: z
    .array(z.enum(clientNames))
    .max(clientNames.length)
    .transform((names) => [...new Set(names)])
    .default([]),
})
export type ApiKeySettings = z.infer<typeof ApiKeySettings>

/** Settings that would have no effect, or leave a key that nothing can use. */
export function settingIssues(settings: ApiKeySettings): Issue[] {
  const faults: [isFault: boolean, field: keyof ApiKeySettings, message: string][] = [
    [
      settings.rateLimitWindow === 0 &&
        (settings.rateLimitRequests > 0 || settings.rateLimitCost > 0),
      'rateLimitWindow',
      'must be at least 1 minute for rateLimitRequests or rateLimitCost to have an effect',
    ],
    [
      settings.expirationMode === 'activation' && settings.activationDays === 0,
      'activationDays',
      'must be at least 1 in the mode activation',
    ],
    [
      settings.enableModelRestriction && settings.restrictedModels.length === 0,
      'restrictedModels',
      'must name at least one model',
    ],
    [
      settings.enableClientRestriction && settings.allowedClients.length === 0,
      'allowedClients',
      'must name at least one program',
    ],
  ]
  return faults.flatMap(([isFault, field, message]) => (isFault ? [{ field, message }] : []))
}

/** What the store holds; the plain key is never part of it. */
export interface ApiKey extends ApiKeySettings {
  id: string
  /** SHA-256 of the plain key, hex. */
  digest: string
  keyPreview: string
  createdAt: string
  updatedAt: string
  createdBy: string
  isDeleted: boolean
  deletedAt: string | null
  deletedBy: string | null
  restoredAt: string | null
}
