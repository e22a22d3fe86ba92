/** The records of accounts and keys as the store holds them: read one by one, so that a damaged one hurts no other. */
import { z } from 'zod'
import { parseJson } from '../json.ts'
import { toFields } from '../store/rows.ts'
import { type Account, AccountSettings } from './account.ts'
import { type ApiKey, ApiKeySettings } from './api-key.ts'

/** A record together with the revision that a write must name. */
export interface Stored<T> {
  record: T
  revision: number
}

/** What a record that was stored before a field existed has in its place. */
const apiKeyDefaults = { ...ApiKeySettings.parse({ name: '-' }), restoredAt: null }
const accountDefaults = { ...AccountSettings.parse({ name: '-', apiUrl: '-' }), proxy: null }

// Kinds of values only: what an admin may set can have become stricter since a record was stored.
const text = z.string()
const amount = z.number().min(0)
const texts = z.array(text)

const StoredAccount = z.looseObject({
  id: text.min(1),
  platform: text,
  sealedApiKey: text,
  name: text,
  apiUrl: text,
  userAgent: text,
  credentialHeader: text,
  priority: z.number(),
  schedulable: z.boolean(),
  isActive: z.boolean(),
  accountType: text,
  supportedModels: z.union([texts, z.record(text, text)]),
  maxConcurrency: amount,
  rateLimitDuration: amount,
  dailyQuota: amount,
  costMultiplier: amount,
  quotaResetTime: text.regex(/^\d\d:\d\d$/),
  proxy: z
    .looseObject({
      protocol: text,
      host: text,
      port: z.number(),
      auth: z.looseObject({ username: text, sealedPassword: text }).nullable(),
    })
    .nullable(),
})

const StoredApiKey = z.looseObject({
  id: text.min(1),
  name: text,
  tags: texts,
  isActive: z.boolean(),
  expirationMode: text,
  expiresAt: text.nullable(),
  activationDays: amount,
  activationUnit: text,
  permissions: text,
  rateLimitWindow: amount,
  concurrencyLimit: amount,
  rateLimitRequests: amount,
  rateLimitCost: amount,
  dailyCostLimit: amount,
  weeklyOpusCostLimit: amount,
  totalCostLimit: amount,
  enableModelRestriction: z.boolean(),
  restrictedModels: texts,
  enableClientRestriction: z.boolean(),
  allowedClients: texts,
})

/** Reads an API key's hash rows (`revision`, `record`); undefined when there is none, or a damaged one. */
export function readApiKey(rows: string[]): Stored<ApiKey> | undefined {
  const fields = toFields(rows)
  const stored = readRecord<ApiKey>(fields.get('record') ?? '', apiKeyDefaults, StoredApiKey)
  const revision = Number(fields.get('revision'))
  return stored && Number.isSafeInteger(revision) ? { record: stored, revision } : undefined
}

/**
 * Reads one account of the pool's hash, `<revision> <record>`.
 * @returns undefined for a damaged one, and for one that names another account than its field.
 */
export function readAccount(accountId: string, row: string): Stored<Account> | undefined {
  const space = row.indexOf(' ')
  const stored = readRecord<Account>(row.slice(space + 1), accountDefaults, StoredAccount)
  const isWhole = stored?.id === accountId && /^\d{1,15}$/.test(row.slice(0, Math.max(0, space)))
  return isWhole ? { record: stored, revision: Number(row.slice(0, space)) } : undefined
}

function readRecord<T>(json: string, defaults: Partial<T>, schema: z.ZodType): T | undefined {
  const parsed = parseJson(json)
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const record = { ...defaults, ...parsed }
  // Checked, but handed on as it was stored: fields of a newer version stay.
  return schema.safeParse(record).success ? (record as T) : undefined
}
