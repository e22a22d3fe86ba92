/** Routes that operate an account: schedulable or not, its cooldown, a trial request. */
import { z } from '@hono/zod-openapi'
import type { Gateway } from '../../gateway.ts'
import { adminRoute } from '../access.ts'
import { answer, etag, refused, tagged } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { resetAccountHealth } from './reset-health.ts'
import { runTrial } from './run-trial.ts'
import { toggleSchedulable } from './toggle-schedulable.ts'
import { Trial } from './trial.ts'
import { AccountDetails, AccountPath, details, tags } from './view.ts'

const toggle = adminRoute('accounts:write', {
  method: 'post',
  path: '/accounts/{platform}/{id}/toggle-schedulable',
  tags,
  summary: 'Take an account out of scheduling, or back in',
  request: { params: AccountPath },
  responses: {
    200: tagged(AccountDetails, 'The account as it is now'),
    404: refused[404],
    409: refused[409],
  },
})

const reset = adminRoute('accounts:write', {
  method: 'post',
  path: '/accounts/{platform}/{id}/reset-rate-limit',
  tags,
  summary: 'End the cooldown of an account',
  description: 'It ends at once, whatever its reason. The next request may use the account.',
  request: { params: AccountPath },
  responses: { 200: tagged(AccountDetails, 'The account, healthy'), 404: refused[404] },
})

const TrialRequest = z
  .strictObject({
    model: z.string().trim().min(1).max(200).exactOptional().openapi({
      description: 'As clients name it; by default the first that the account supports',
      example: 'claude-haiku-4-5',
    }),
  })
  .openapi('AccountTrialRequest')

const trial = adminRoute('accounts:test', {
  method: 'post',
  path: '/accounts/{platform}/{id}/test',
  tags,
  summary: 'Send one tiny request through an account',
  description: 'A real request, which the vendor may charge. It changes neither usage nor health.',
  request: {
    params: AccountPath,
    body: { content: { 'application/json': { schema: TrialRequest } } },
  },
  responses: {
    200: answer(Trial, 'The outcome'),
    400: refused[400],
    404: refused[404],
  },
})

/** Registers the routes that operate an account. */
export function accountOperationRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(toggle, async (c) => {
    const { platform, id: accountId } = c.req.valid('param')
    const state = await toggleSchedulable(gateway, { actor: c.get('actor'), platform, accountId })
    c.header('etag', etag(state.revision))
    return c.json(details(state), 200)
  })
  app.openapi(reset, async (c) => {
    const { platform, id: accountId } = c.req.valid('param')
    const state = await resetAccountHealth(gateway, { actor: c.get('actor'), platform, accountId })
    c.header('etag', etag(state.revision))
    return c.json(details(state), 200)
  })
  app.openapi(trial, async (c) => {
    const { platform, id: accountId } = c.req.valid('param')
    const { model } = c.req.valid('json')
    const request = { actor: c.get('actor'), platform, accountId, model }
    return c.json(await runTrial(gateway, request), 200)
  })
}
