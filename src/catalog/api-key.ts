/** The gateway key record: what an admin sets, what is stored, what is shown. */
import { z } from '@hono/zod-openapi'

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
  activationDays: z.int().min(0).max(87_600).default(0),
  activationUnit: z.enum(['hours', 'days']).default('days'),
  permissions: z.enum(['all', 'claude', 'codex']).default('all'),
  claudeConsoleAccountId: text(64).nullable().default(null),
  codexAccountId: text(64).nullable().default(null),
  concurrencyLimit: z.int().min(0).max(100_000).default(0),
  /** Length of the request window in minutes. */
  rateLimitWindow: z.int().min(0).max(525_600).default(0),
  /** Requests per window. */
  rateLimitRequests: z.int().min(0).max(1_000_000_000).default(0),
  /** USD per window. */
  rateLimitCost: Usd,
  /** USD per calendar day of the configured zone. */
  dailyCostLimit: Usd,
  /** USD per week, from Monday, on Opus models only. */
  weeklyOpusCostLimit: Usd,
  /** USD over the life of the key. */
  totalCostLimit: Usd,
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
