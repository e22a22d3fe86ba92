/** What the administration API shows of a gateway key, as schemas that document it. */
import { z } from '@hono/zod-openapi'
import { type ApiKey, ApiKeySettings } from '../../catalog/api-key.ts'

export const tags = ['Keys']

export const ApiKeyView = z
  .object({
    ...ApiKeySettings.shape,
    id: z.uuid(),
    keyPreview: z.string(),
    createdAt: z.string(),
    updatedAt: z.string(),
    createdBy: z.string(),
    isDeleted: z.boolean(),
    deletedAt: z.string().nullable(),
    deletedBy: z.string().nullable(),
    restoredAt: z.string().nullable(),
  })
  .openapi('ApiKey')

/** A key with its secret. */
export const IssuedApiKeyView = ApiKeyView.extend({
  key: z.string().openapi({ description: 'The key itself, shown only now' }),
}).openapi('IssuedApiKey')

/** A key with its first and last use. */
export const ApiKeyDetails = ApiKeyView.extend({
  activatedAt: z.string().nullable().openapi({ description: 'First use' }),
  lastUsedAt: z.string().nullable(),
}).openapi('ApiKeyDetails')

/** The record without its digest. */
export function view(record: ApiKey): z.infer<typeof ApiKeyView> {
  const { digest, ...shown } = record
  return shown
}
