/** Routes that create, change and delete accounts; their credentials go in and never come out. */
import { z } from '@hono/zod-openapi'
import { AccountInput } from '../../catalog/account.ts'
import type { Gateway } from '../../gateway.ts'
import { adminRoute } from '../access.ts'
import { answer, etag, refused, tagged } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { Flag, IfMatch, revisionsOf, UpdatedAt } from '../input.ts'
import { patchOf } from '../patch.ts'
import { createAccount } from './create.ts'
import { removeAccount } from './remove.ts'
import { updateAccount } from './update.ts'
import {
  AccountDetails,
  AccountPath,
  AccountView,
  details,
  PlatformPath,
  tags,
  view,
} from './view.ts'

const Creation = AccountInput.openapi('AccountCreation', {
  example: {
    name: 'main',
    apiUrl: 'https://api.anthropic.com',
    apiKey: 'sk-ant-xxx',
    dailyQuota: 50,
    quotaResetTime: '08:30',
    proxy: { protocol: 'socks5', host: 'proxy.example.com', port: 1080, auth: null },
  },
})

const Edit = patchOf(AccountInput)
  .extend({ updatedAt: UpdatedAt })
  .openapi('AccountEdit', { example: { priority: 10, dailyQuota: 0, proxy: null } })

const create = adminRoute('accounts:write', {
  method: 'post',
  path: '/accounts/{platform}',
  tags,
  summary: 'Create an account',
  request: {
    params: PlatformPath,
    body: { required: true, content: { 'application/json': { schema: Creation } } },
  },
  responses: {
    201: tagged(AccountDetails, 'The new account'),
    400: refused[400],
    404: refused[404],
  },
})

const update = adminRoute('accounts:write', {
  method: 'put',
  path: '/accounts/{platform}/{id}',
  tags,
  summary: 'Change settings of an account',
  description:
    'Only the given fields change; a given `apiKey` replaces the credential, and a given `proxy` the ' +
    'whole proxy with its password; null removes it. With `If-Match` or `updatedAt` the edit is ' +
    'refused when the account was changed since; without them the last edit wins.',
  request: {
    params: AccountPath,
    headers: IfMatch,
    body: { required: true, content: { 'application/json': { schema: Edit } } },
  },
  responses: {
    200: tagged(AccountDetails, 'The account as it is now'),
    400: refused[400],
    404: refused[404],
    409: refused[409],
  },
})

const remove = adminRoute('accounts:write', {
  method: 'delete',
  path: '/accounts/{platform}/{id}',
  tags,
  summary: 'Delete an account',
  description:
    'For good; its usage stays. Requests that run on it are not ended. Refused while keys are bound ' +
    'to it, which `issues` names by their ids; with `force` these keys stay, and are refused.',
  request: { params: AccountPath, query: z.strictObject({ force: Flag.optional() }) },
  responses: {
    200: answer(AccountView, 'The account as it was'),
    400: refused[400],
    404: refused[404],
    409: refused[409],
  },
})

/** Registers the routes that create, change and delete an account. */
export function accountWriteRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(create, async (c) => {
    const { platform } = c.req.valid('param')
    const request = { actor: c.get('actor'), platform, input: c.req.valid('json') }
    const state = await createAccount(gateway, request)
    c.header('etag', etag(state.revision))
    return c.json(details(state), 201)
  })
  app.openapi(update, async (c) => {
    const { platform, id: accountId } = c.req.valid('param')
    const { updatedAt, ...patch } = c.req.valid('json')
    const precondition = { revisions: revisionsOf(c.req.valid('header')['if-match']), updatedAt }
    const edit = { actor: c.get('actor'), platform, accountId, patch, precondition }
    const state = await updateAccount(gateway, edit)
    c.header('etag', etag(state.revision))
    return c.json(details(state), 200)
  })
  app.openapi(remove, async (c) => {
    const { platform, id: accountId } = c.req.valid('param')
    const { force = false } = c.req.valid('query')
    const request = { actor: c.get('actor'), platform, accountId, force }
    return c.json(view(await removeAccount(gateway, request)), 200)
  })
}
