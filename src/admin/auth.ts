/** Routes of the session: logging in, and who is logged in. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Gateway } from '../gateway.ts'
import { checkLogin } from './admins.ts'
import { answer, refused } from './answers.ts'
import type { AdminApp } from './app.ts'
import { jsonBody } from './input.ts'
import { issueToken, tokenSeconds } from './token.ts'

const tags = ['Session']

const Credentials = z
  .strictObject({ username: z.string().min(1).max(100), password: z.string().min(1).max(1000) })
  .openapi('Credentials')

const Session = z
  .object({
    token: z.string(),
    expiresIn: z.int().openapi({ description: 'Seconds until the token expires' }),
  })
  .openapi('Session')

const login = createRoute({
  method: 'post',
  path: '/auth/admin/login',
  tags,
  summary: 'Log in as an administrator',
  middleware: jsonBody,
  request: { body: { required: true, content: { 'application/json': { schema: Credentials } } } },
  responses: {
    200: answer(Session, 'The token to send as `Authorization: Bearer`'),
    400: refused[400],
    401: refused[401],
    503: refused[503],
  },
})

const me = createRoute({
  method: 'get',
  path: '/auth/me',
  tags,
  summary: 'Tell who is logged in',
  security: [{ Bearer: [] }],
  responses: {
    200: answer(z.object({ username: z.string() }), 'The administrator'),
    401: refused[401],
  },
})

/** The one route that needs no session. */
export function loginRoute(app: AdminApp, gateway: Gateway): void {
  app.openapi(login, async (c) => {
    const { username, password } = c.req.valid('json')
    await checkLogin(gateway, username, password)
    gateway.runtime.log.info('admin_login', { username })
    const token = await issueToken(gateway.runtime, username)
    return c.json({ token, expiresIn: tokenSeconds }, 200)
  })
}

/** What a session says about itself. */
export function sessionRoutes(app: AdminApp): void {
  app.openapi(me, (c) => c.json({ username: c.get('username') }, 200))
}
