/** Routes that read accounts: lists, one, and whether it can serve. */
import { AccountSettings } from '../../catalog/account.ts'
import type { Gateway } from '../../gateway.ts'
import { adminRoute } from '../access.ts'
import { answer, etag, pageOf, refused, tagged } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { Flag, PageQuery } from '../input.ts'
import { Availability, getAvailability } from './availability.ts'
import { getAccount } from './get.ts'
import { listAccounts } from './list.ts'
import { AccountDetails, AccountPath, details, PlatformPath, tags } from './view.ts'

const ListQuery = PageQuery.extend({
  isActive: Flag.optional(),
  schedulable: Flag.optional(),
  accountType: AccountSettings.shape.accountType.unwrap().optional(),
})

const list = adminRoute('accounts:read', {
  method: 'get',
  path: '/accounts/{platform}',
  tags,
  summary: 'List the accounts of a platform, oldest first',
  request: { params: PlatformPath, query: ListQuery },
  responses: {
    200: answer(pageOf(AccountDetails), 'One page of accounts'),
    400: refused[400],
    404: refused[404],
  },
})

const get = adminRoute('accounts:read', {
  method: 'get',
  path: '/accounts/{platform}/{id}',
  tags,
  summary: 'Read an account',
  request: { params: AccountPath },
  responses: { 200: tagged(AccountDetails, 'The account'), 404: refused[404] },
})

const availability = adminRoute('accounts:read', {
  method: 'get',
  path: '/accounts/{platform}/{id}/availability',
  tags,
  summary: 'Show whether an account can serve now, and if not, why',
  request: { params: AccountPath },
  responses: { 200: answer(Availability, 'Every reason against it'), 404: refused[404] },
})

/** Registers the routes that change nothing. */
export function accountReadRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(list, async (c) => {
    const { platform } = c.req.valid('param')
    const { cursor, limit, isActive, schedulable, accountType } = c.req.valid('query')
    const filter = { isActive, schedulable, accountType }
    const request = { actor: c.get('actor'), platform, cursor, limit, filter }
    const { data, nextCursor } = await listAccounts(gateway, request)
    return c.json({ data: data.map(details), nextCursor }, 200)
  })
  app.openapi(get, async (c) => {
    const { platform, id: accountId } = c.req.valid('param')
    const state = await getAccount(gateway, { actor: c.get('actor'), platform, accountId })
    c.header('etag', etag(state.revision))
    return c.json(details(state), 200)
  })
  app.openapi(availability, async (c) => {
    const { platform, id: accountId } = c.req.valid('param')
    const request = { actor: c.get('actor'), platform, accountId }
    return c.json(await getAvailability(gateway, request), 200)
  })
}
