/** Routes of the upstream accounts; their credentials go in and never come out. */
import { createRoute, z } from '@hono/zod-openapi'
import { type Account, AccountInput, AccountSettings, platforms } from '../catalog/account.ts'
import {
  type AccountState,
  createAccount,
  getAccount,
  listAccounts,
  removeAccount,
} from '../catalog/accounts.ts'
import type { Gateway } from '../gateway.ts'
import { answer, pageOf, refused } from './answers.ts'
import type { AdminApp } from './app.ts'
import { IdPath, jsonBody, PageQuery } from './input.ts'

const tags = ['Accounts']
const security = [{ Bearer: [] }]

const PlatformPath = z.object({ platform: z.enum(platforms) })
const AccountPath = PlatformPath.extend(IdPath.shape)

const AccountView = z
  .object({
    ...AccountSettings.shape,
    id: z.uuid(),
    platform: z.enum(platforms),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .openapi('Account')

const AccountDetails = AccountView.extend({
  health: z
    .object({
      status: z.enum(['healthy', 'cooling', 'recovering']),
      reason: z.string().nullable(),
      until: z.string().nullable().openapi({ description: 'When the cooldown ends or ended' }),
    })
    .openapi('AccountHealth'),
}).openapi('AccountDetails')

const create = createRoute({
  method: 'post',
  path: '/accounts/{platform}',
  tags,
  security,
  summary: 'Create an account',
  middleware: jsonBody,
  request: {
    params: PlatformPath,
    body: { required: true, content: { 'application/json': { schema: AccountInput } } },
  },
  responses: {
    201: answer(AccountDetails, 'The new account'),
    400: refused[400],
    401: refused[401],
    404: refused[404],
    503: refused[503],
  },
})

const list = createRoute({
  method: 'get',
  path: '/accounts/{platform}',
  tags,
  security,
  summary: 'List the accounts of a platform, oldest first',
  request: { params: PlatformPath, query: PageQuery },
  responses: {
    200: answer(pageOf(AccountDetails), 'One page of accounts'),
    400: refused[400],
    401: refused[401],
    404: refused[404],
    503: refused[503],
  },
})

const get = createRoute({
  method: 'get',
  path: '/accounts/{platform}/{id}',
  tags,
  security,
  summary: 'Read an account',
  request: { params: AccountPath },
  responses: {
    200: answer(AccountDetails, 'The account'),
    401: refused[401],
    404: refused[404],
    503: refused[503],
  },
})

const remove = createRoute({
  method: 'delete',
  path: '/accounts/{platform}/{id}',
  tags,
  security,
  summary: 'Delete an account',
  description: 'For good; its books stay. Requests that run on it are not cut.',
  request: { params: AccountPath },
  responses: {
    200: answer(AccountView, 'The account as it was'),
    401: refused[401],
    404: refused[404],
    409: refused[409],
    503: refused[503],
  },
})

/** Registers the routes below `/accounts`. */
export function accountRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(create, async (c) => {
    const { platform } = c.req.valid('param')
    return c.json(details(await createAccount(gateway, platform, c.req.valid('json'))), 201)
  })
  app.openapi(list, async (c) => {
    const { platform } = c.req.valid('param')
    const { cursor, limit } = c.req.valid('query')
    const { data, nextCursor } = await listAccounts(gateway, platform, { cursor, limit })
    return c.json({ data: data.map(details), nextCursor }, 200)
  })
  app.openapi(get, async (c) => {
    const { platform, id } = c.req.valid('param')
    return c.json(details(await getAccount(gateway, platform, id)), 200)
  })
  app.openapi(remove, async (c) => {
    const { platform, id } = c.req.valid('param')
    return c.json(view(await removeAccount(gateway, platform, id)), 200)
  })
}

function view(record: Account): z.infer<typeof AccountView> {
  const { sealedApiKey, ...shown } = record
  return shown
}

const details = ({ record, health }: AccountState) => ({ ...view(record), health })
