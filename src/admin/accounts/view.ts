/** What the administration API shows of an account, as schemas that document it; never its credentials. */
import { z } from '@hono/zod-openapi'
import { type Account, AccountSettings, ProxyAddress } from '../../catalog/account.ts'
import { shownProxy } from '../../catalog/proxy.ts'
import { platformIds } from '../../domain/platform.ts'
import { IdPath } from '../input.ts'
import type { AccountState } from './find.ts'

export const tags = ['Accounts']

export const PlatformPath = z.object({ platform: z.enum(platformIds) })
export const AccountPath = PlatformPath.extend(IdPath.shape)

const ProxyView = z.object({
  ...ProxyAddress.shape,
  auth: z.object({ username: z.string() }).nullable(),
})

export const AccountView = z
  .object({
    ...AccountSettings.shape,
    proxy: ProxyView.nullable(),
    id: z.uuid(),
    platform: z.enum(platformIds),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .openapi('Account')

const Health = {
  status: z.enum(['healthy', 'cooling', 'recovering']),
  reason: z.string().nullable(),
  until: z.string().nullable().openapi({ description: 'When the cooldown ends or ended' }),
}

/** An account with its health. */
export const AccountDetails = AccountView.extend({
  health: z
    .object({
      ...Health,
      cooldowns: z.array(z.object({ models: z.string(), ...Health })).openapi({
        description:
          'One for the whole account (`all`), and one for each family of models, such as `opus`, `haiku`, `glm` or `other`',
      }),
    })
    .openapi('AccountHealth'),
}).openapi('AccountDetails')

/** The record without its secrets. */
export function view(record: Account): z.infer<typeof AccountView> {
  const { sealedApiKey, proxy, ...shown } = record
  return { ...shown, proxy: proxy && shownProxy(proxy) }
}

/** The same with its health. */
export const details = ({ record, health }: AccountState): z.infer<typeof AccountDetails> => ({
  ...view(record),
  health,
})
