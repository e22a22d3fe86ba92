/** The upstream account record: what an admin sets, what is stored, what is shown. */
import { z } from '@hono/zod-openapi'
import { commonFamilies, familyOfName, modelFamily } from '../domain/model-family.ts'
import type { PlatformId } from '../domain/platform.ts'

const text = (max: number) => z.string().trim().max(max)

/** Empty = every model; a list restricts; a map restricts and renames (asked → sent upstream). */
const SupportedModels = z.union(
  [
    z
      .array(text(200).min(1))
      .max(500)
      .transform((models) => [...new Set(models)]),
    z.record(text(200).min(1), text(200).min(1)).refine((map) => Object.keys(map).length <= 500),
  ],
  'Must be a list of up to 500 models, or a map from model to model, of 1 to 200 characters each',
)

/** The header that carries the credential; `auto` = the one that the vendor takes this kind of key in. */
export const credentialHeaders = ['auto', 'x-api-key', 'authorization', 'api-key'] as const

/** The fields an admin may set on an account, without its credential. */
export const AccountSettings = z.strictObject({
  name: text(100).min(1),
  description: text(1000).default(''),
  apiUrl: text(2000).min(1),
  /** Replaces the client's own when set; goes out as a header (RFC 9110 §5.5). */
  userAgent: text(500)
    .regex(/^[\x20-\x7e]*$/, 'Must hold visible ASCII characters and blanks only')
    .default(''),
  /** Relays, and bases like those of Azure, may want it elsewhere. */
  credentialHeader: z.enum(credentialHeaders).default('auto'),
  priority: z.int().min(1).max(100).default(50),
  schedulable: z.boolean().default(true),
  isActive: z.boolean().default(true),
  accountType: z.enum(['shared', 'dedicated']).default('shared'),
  supportedModels: SupportedModels.default([]),
  /** Requests in flight at most; 0 = no limit. */
  maxConcurrency: z.int().min(0).max(100_000).default(0),
  /** Minutes of cooldown after a 429 that names no end of its own. */
  rateLimitDuration: z.int().min(1).max(10_080).default(5),
  /** USD that the account may cost a day; 0 = no limit. */
  dailyQuota: z.number().min(0).max(1_000_000).default(0),
  /** What it costs of the list price, such as 0.8 with a reseller; counts for key and account alike. */
  costMultiplier: z.number().min(0).max(100).default(1).openapi({
    description: 'Multiplies every price but those set for this very account; six decimals count',
  }),
  /** When that day begins, in the configured time zone. */
  quotaResetTime: z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'Must be a time of day such as 08:30')
    .default('00:00'),
})
export type AccountSettings = z.infer<typeof AccountSettings>

/** Where a proxy is. */
export const ProxyAddress = z.strictObject({
  protocol: z.enum(['http', 'https', 'socks5']),
  host: text(253).min(1),
  port: z.int().min(1).max(65_535),
})

/** SOCKS5 counts either in one byte (RFC 1929 §2), and Basic bars control characters (RFC 7617 §2). */
const isProxyText = (value: string) =>
  new TextEncoder().encode(value).length <= 255 && !/\p{Cc}/u.test(value)
const proxyTextFault = 'Must be 1 to 255 bytes without control characters'

const ProxyAuth = z.strictObject({
  username: text(255).min(1).refine(isProxyText, proxyTextFault),
  password: z.string().min(1).max(255).refine(isProxyText, proxyTextFault),
})

/** A proxy as an admin sets it; its password is write-only like every credential. */
export const ProxyInput = ProxyAddress.extend({ auth: ProxyAuth.nullable().default(null) }).refine(
  ({ protocol, auth }) => protocol === 'socks5' || !auth?.username.includes(':'),
  { path: ['auth', 'username'], message: 'Must not hold a colon, unless the protocol is socks5' },
)
export type ProxyInput = z.infer<typeof ProxyInput>

/** What creating an account takes: its settings and its credentials in plain text. */
export const AccountInput = AccountSettings.extend({
  apiKey: text(5000)
    .min(1)
    .regex(/^[\x21-\x7e]*$/, 'Must hold visible ASCII characters only'),
  /** Between this gateway and the upstream; null = none. */
  proxy: ProxyInput.nullable().default(null),
})
export type AccountInput = z.infer<typeof AccountInput>

/** A proxy as the store holds it: of its credential only the name is readable. */
export interface StoredProxy extends z.infer<typeof ProxyAddress> {
  auth: { username: string; sealedPassword: string } | null
}

/** What the store holds: credentials only sealed. */
export interface Account extends AccountSettings {
  id: string
  platform: PlatformId
  sealedApiKey: string
  proxy: StoredProxy | null
  createdAt: string
  updatedAt: string
}

/** The models that an account may be asked for; empty = every model, as where a pattern lets callers invent names. */
function modelsOf({ supportedModels }: Account): string[] {
  const models = Array.isArray(supportedModels) ? supportedModels : Object.values(supportedModels)
  return models.some((model) => model.endsWith('*')) ? [] : models
}

/** The family of a model that `upstreamModel` has answered: callers invent names only where every model is supported. */
export const familyOn = (account: Account, asked: string): string =>
  modelsOf(account).length === 0 ? modelFamily(asked) : familyOfName(asked)

/** Whether an account may be asked for models of a family. */
export const mayBeAskedFor = (account: Account, family: string): boolean =>
  modelsOf(account).length === 0 || familiesOf(account).includes(family)

/** The families of the models that an account may be asked for; the most likely ones where it supports every model. */
export function familiesOf(account: Account): readonly string[] {
  const models = modelsOf(account)
  return models.length === 0 ? commonFamilies : [...new Set(models.map(familyOfName))]
}
