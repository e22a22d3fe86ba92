/** What the administration API shows of an account, as schemas that document it; never its credential. */
import { z } from '@hono/zod-openapi'
import { type Account, AccountSettings, platforms } from '../../catalog/account.ts'
import type { AccountState } from '../../catalog/accounts.ts'
import { refused } from '../answers.ts'
import { IdPath } from '../input.ts'

export const tags = ['Accounts']
export const security = [{ Bearer: [] }]

export const PlatformPath = z.object({ platform: z.enum(platforms) })
export const AccountPath = PlatformPath.extend(IdPath.shape)

/** The refusals of every route of one account. */
export const refusals = { 401: refused[401], 404: refused[404], 503: refused[503] }

export const AccountView = z
  .object({
    ...AccountSettings.shape,
    id: z.uuid(),
    platform: z.enum(platforms),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .openapi('Account')

/** An account and how it fares. */
export const AccountDetails = AccountView.extend({
  health: z
    .object({
      status: z.enum(['healthy', 'cooling', 'recovering']),
      reason: z.string().nullable(),
      until: z.string().nullable().openapi({ description: 'When the cooldown ends or ended' }),
    })
    .openapi('AccountHealth'),
}).openapi('AccountDetails')

/** The record without what nobody may see. */
export function view(record: Account): z.infer<typeof AccountView> {
  const { sealedApiKey, ...shown } = record
  return shown
}

/** The same with its health. */
export const details = ({ record, health }: AccountState): z.infer<typeof AccountDetails> => ({
  ...view(record),
  health,
})
