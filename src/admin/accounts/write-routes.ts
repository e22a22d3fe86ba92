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
import { Trial } from './trial.ts'
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
import { saveWithTrial } from './with-trial.ts'

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

const TestQuery = z.object({
  test: Flag.optional().openapi({
    description: 'Try the account with one tiny real request; `trial` is its outcome',
  }),
})

const Saved = AccountDetails.extend({
  trial: Trial.optional().openapi({
    description: 'With `test`: whether the account answers. It is saved all the same.',
  }),
}).openapi('SavedAccount')

const create = adminRoute('accounts:write', {
  method: 'post',
  path: '/accounts/{platform}',
  tags,
  summary: 'Create an account',
  request: {
    params: PlatformPath,
    query: TestQuery,
    body: { required: true, content: { 'application/json': { schema: Creation } } },
  },
  responses: {
    201: tagged(Saved, 'The new account'),
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
    query: TestQuery,
    headers: IfMatch,
    body: { required: true, content: { 'application/json': { schema: Edit } } },
  },
  responses: {
    200: tagged(Saved, 'The account as it is now'),
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
    const { test = false } = c.req.valid('query')
    const actor = c.get('actor')
    const input = c.req.valid('json')
    const save = () => createAccount(gateway, { actor, platform, input })
    const { trial, ...state } = await saveWithTrial(gateway, { actor, test, save })
    c.header('etag', etag(state.revision))
    return c.json({ ...details(state), ...(trial && { trial }) }, 201)
  })
  app.openapi(update, async (c) => {
    const { platform, id: accountId } = c.req.valid('param')
    const { updatedAt, ...patch } = c.req.valid('json')
    const precondition = { revisions: revisionsOf(c.req.valid('header')['if-match']), updatedAt }
    const { test = false } = c.req.valid('query')
    const actor = c.get('actor')
    const save = () => updateAccount(gateway, { actor, platform, accountId, patch, precondition })
    const { trial, ...state } = await saveWithTrial(gateway, { actor, test, save })
    c.header('etag', etag(state.revision))
    return c.json({ ...details(state), ...(trial && { trial }) }, 200)
  })
  app.openapi(remove, async (c) => {
    const { platform, id: accountId } = c.req.valid('param')
    const { force = false } = c.req.valid('query')
    const request = { actor: c.get('actor'), platform, accountId, force }
    return c.json(view(await removeAccount(gateway, request)), 200)
  })
}
