/** The route that shows where a request went and why, by the id that its answer carried. */
import { z } from '@hono/zod-openapi'
import type { Gateway } from '../../gateway.ts'
import { adminRoute } from '../access.ts'
import { answer, refused } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { refuseInvalid } from '../input.ts'
import { getRequest } from './get.ts'
import { RequestView } from './view.ts'

// The alphabet and the length that every `x-request-id` keeps to.
const RequestPath = z.object({
  id: z
    .string()
    .regex(/^[\w=-]{1,128}$/, 'Must be 1 to 128 characters of A-Z, a-z, 0-9, _, - and =')
    .openapi({
      description: 'An `x-request-id`, or a ledger id',
      example: '019ac000-0000-7000-8000-000000000000',
    }),
})

const get = adminRoute('requests:read', {
  method: 'get',
  path: '/requests/{id}',
  tags: ['Requests'],
  summary: 'Show where a request went and why',
  description:
    'Kept for two days after its end, or for an hour where no account could take it. An id that ' +
    'a client chose names the latest request of that name that has ended. What was refused before ' +
    'any account was considered, such as by a limit of its key, is only in the log.',
  request: { params: RequestPath },
  responses: {
    200: answer(RequestView, 'The request; nothing of what was asked or answered'),
    400: refused[400],
    404: refused[404],
  },
})

/** Registers the route that reads one request. */
export function requestRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(
    get,
    async (c) => {
      const { id } = c.req.valid('param')
      return c.json(await getRequest(gateway, { actor: c.get('actor'), id }), 200)
    },
    // An id of wrong characters is a mistake in the question: the caller gets 400, not 404.
    (result) => {
      refuseInvalid({ ...result, target: 'path' })
      return undefined
    },
  )
}
