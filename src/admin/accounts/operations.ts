/** Routes that operate an account: schedulable or not, its cooldown, a trial request. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Gateway } from '../../gateway.ts'
import { answer, etag, refused, tagged } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { optionalJsonBody } from '../input.ts'
import { getAccount } from './accounts.ts'
import { resetAccountHealth, toggleSchedulable } from './edit.ts'
import { Trial, tryAccount } from './trial.ts'
import { AccountDetails, AccountPath, details, refusals, security, tags } from './view.ts'

const toggle = createRoute({
  method: 'post',
  path: '/accounts/{platform}/{id}/toggle-schedulable',
  tags,
  security,
  summary: 'Turn new requests away from an account, or let them in again',
  request: { params: AccountPath },
  responses: {
    200: tagged(AccountDetails, 'The account as it is now'),
    409: refused[409],
    ...refusals,
  },
})

const reset = createRoute({
  method: 'post',
  path: '/accounts/{platform}/{id}/reset-rate-limit',
  tags,
  security,
  summary: 'End the cooldown of an account',
  description: 'Whatever it is for. The account is asked again from the next request on.',
  request: { params: AccountPath },
  responses: { 200: tagged(AccountDetails, 'The account, healthy'), ...refusals },
})

const TrialRequest = z
  .strictObject({
    model: z.string().trim().min(1).max(200).exactOptional().openapi({
      description: 'As clients name it; by default the first that the account supports',
      example: 'claude-haiku-4-5',
    }),
  })
  .openapi('AccountTrialRequest')

const trial = createRoute({
  method: 'post',
  path: '/accounts/{platform}/{id}/test',
  tags,
  security,
  summary: 'Send one tiny request through an account',
  description:
    'A real request, which the vendor may charge. It is not booked and does not change the health.',
  middleware: optionalJsonBody,
  request: {
    params: AccountPath,
    body: { content: { 'application/json': { schema: TrialRequest } } },
  },
  responses: { 200: answer(Trial, 'What came of it'), 400: refused[400], ...refusals },
})

/** Registers the routes that operate an account. */
export function accountCareRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(toggle, async (c) => {
    const { platform, id } = c.req.valid('param')
    const state = await toggleSchedulable(gateway, platform, id, c.get('username'))
    c.header('etag', etag(state.revision))
    return c.json(details(state), 200)
  })
  app.openapi(reset, async (c) => {
    const { platform, id } = c.req.valid('param')
    const state = await resetAccountHealth(gateway, platform, id, c.get('username'))
    c.header('etag', etag(state.revision))
    return c.json(details(state), 200)
  })
  app.openapi(trial, async (c) => {
    const { platform, id } = c.req.valid('param')
    const { record } = await getAccount(gateway, platform, id)
    return c.json(await tryAccount(gateway, record, c.req.valid('json')), 200)
  })
}
