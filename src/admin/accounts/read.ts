/** Routes that read accounts: lists, one, and whether it can serve. */
import { createRoute } from '@hono/zod-openapi'
import { AccountSettings } from '../../catalog/account.ts'
import type { Gateway } from '../../gateway.ts'
import { answer, etag, pageOf, refused, tagged } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { Flag, PageQuery } from '../input.ts'
import { getAccount, listAccounts } from './accounts.ts'
import { Availability, readAvailability } from './availability.ts'
import {
  AccountDetails,
  AccountPath,
  details,
  PlatformPath,
  refusals,
  security,
  tags,
} from './view.ts'

const ListQuery = PageQuery.extend({
  isActive: Flag.optional(),
  schedulable: Flag.optional(),
  accountType: AccountSettings.shape.accountType.unwrap().optional(),
})

const list = createRoute({
  method: 'get',
  path: '/accounts/{platform}',
  tags,
  security,
  summary: 'List the accounts of a platform, oldest first',
  request: { params: PlatformPath, query: ListQuery },
  responses: {
    200: answer(pageOf(AccountDetails), 'One page of accounts'),
    400: refused[400],
    ...refusals,
  },
})

const get = createRoute({
  method: 'get',
  path: '/accounts/{platform}/{id}',
  tags,
  security,
  summary: 'Read an account',
  request: { params: AccountPath },
  responses: { 200: tagged(AccountDetails, 'The account'), ...refusals },
})

const availability = createRoute({
  method: 'get',
  path: '/accounts/{platform}/{id}/availability',
  tags,
  security,
  summary: 'Tell whether an account can serve now, and if not, why',
  request: { params: AccountPath },
  responses: { 200: answer(Availability, 'Every reason against it'), ...refusals },
})

/** Registers the routes that change nothing. */
export function accountReadRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(list, async (c) => {
    const { platform } = c.req.valid('param')
    const { cursor, limit, isActive, schedulable, accountType } = c.req.valid('query')
    const filter = { isActive, schedulable, accountType }
    const { data, nextCursor } = await listAccounts(gateway, platform, { cursor, limit, filter })
    return c.json({ data: data.map(details), nextCursor }, 200)
  })
  app.openapi(get, async (c) => {
    const { platform, id } = c.req.valid('param')
    const state = await getAccount(gateway, platform, id)
    c.header('etag', etag(state.revision))
    return c.json(details(state), 200)
  })
  app.openapi(availability, async (c) => {
    const { platform, id } = c.req.valid('param')
    return c.json(await readAvailability(gateway, platform, id), 200)
  })
}
