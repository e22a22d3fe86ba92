/** The gateway key record: what an admin sets, what is stored, what is shown. */
import { z } from '@hono/zod-openapi'
import { keyLimits, perLimit } from '../domain/limits.ts'
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

/** A field for each limit. */
const limitShape = perLimit(({ unit, max, description }) => {
  const amount = unit === 'usd' ? z.number() : z.int()
  return amount.min(0).max(max).default(0).openapi({ description })
})

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
  /** Length of the window of requests and cost in minutes. */
  rateLimitWindow: z.int().min(0).max(525_600).default(0).openapi({
    description: 'Minutes; 0 = none',
  }),
  ...limitShape,
  enableModelRestriction: z.boolean().default(false),
  /** The only models that may be asked for; a `*` at the end matches a family. */
  restrictedModels: words(200, 500),
  enableClientRestriction: z.boolean().default(false),
  /** The only clients that may ask; names of `relay/request/identify-client.ts`. */
  allowedClients: z
    .array(z.enum(clientNames))
    .max(clientNames.length)
    .transform((names) => [...new Set(names)])
    .default([]),
})
export type ApiKeySettings = z.infer<typeof ApiKeySettings>

const windowLimits = keyLimits.filter(({ period }) => period === 'window')

/** Settings that would have no effect, or leave a key that nothing can use. */
export function settingIssues(settings: ApiKeySettings): Issue[] {
  const faults: [isFault: boolean, field: keyof ApiKeySettings, message: string][] = [
    [
      settings.rateLimitWindow === 0 && windowLimits.some(({ field }) => settings[field] > 0),
      'rateLimitWindow',
      `must be at least 1 minute for ${windowLimits.map(({ field }) => field).join(' or ')} to have an effect`,
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
