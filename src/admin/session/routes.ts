/** Routes of the session: logging in and out, who is logged in, and the password. */
import { z } from '@hono/zod-openapi'
import { passwordLength } from '../../config.ts'
import type { Gateway } from '../../gateway.ts'
import { adminRoute, publicRoute } from '../access.ts'
import { answer, refused } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { changePassword } from './change-password.ts'
import { clientAddress } from './client-address.ts'
import { getSession } from './get.ts'
import { logIn } from './log-in.ts'
import { logOut } from './log-out.ts'

const tags = ['Session']

const Credentials = z
  .strictObject({ username: z.string().min(1).max(100), password: z.string().min(1).max(1000) })
  .openapi('Credentials', { example: { username: 'admin', password: 'correct horse battery' } })

const PasswordChange = z
  .strictObject({
    currentPassword: z.string().min(1).max(1000),
    newPassword: z.string().min(passwordLength.min).max(passwordLength.max),
  })
  .openapi('PasswordChange', {
    example: { currentPassword: 'correct horse battery', newPassword: 'staple of another kind' },
  })

const SessionToken = z
  .object({
    token: z.string(),
    expiresIn: z.int().openapi({ description: 'Seconds until the token expires' }),
  })
  .openapi('Session', { example: { token: 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln', expiresIn: 3600 } })

const tooManyLogins = {
  ...answer(
    refused[400].content['application/json'].schema,
    'Too many failed in a row, for this name or from this address; `retry-after` says how long to wait',
  ),
  headers: {
    'retry-after': { description: 'Seconds to wait', schema: { type: 'integer' as const } },
  },
}

const login = publicRoute({
  method: 'post',
  path: '/auth/admin/login',
  tags,
  summary: 'Log in as an administrator',
  request: { body: { required: true, content: { 'application/json': { schema: Credentials } } } },
  responses: {
    200: answer(SessionToken, 'The token to send as `Authorization: Bearer`'),
    400: refused[400],
    401: refused[401],
    429: tooManyLogins,
  },
})

const me = adminRoute('session:read', {
  method: 'get',
  path: '/auth/me',
  tags,
  summary: 'Show who is logged in',
  responses: { 200: answer(z.object({ username: z.string() }), 'The administrator') },
})

const password = adminRoute('session:write', {
  method: 'post',
  path: '/auth/change-password',
  tags,
  summary: 'Change the own password',
  description:
    'Ends every session of this administrator; the token in the answer begins a new one.',
  request: {
    body: { required: true, content: { 'application/json': { schema: PasswordChange } } },
  },
  responses: {
    200: answer(SessionToken, 'The password is changed; go on with this token'),
    400: refused[400],
    409: refused[409],
    429: tooManyLogins,
  },
})

const logout = adminRoute('session:write', {
  method: 'post',
  path: '/auth/logout',
  tags,
  summary: 'End this session',
  responses: { 204: { description: 'The token is refused from now on' } },
})

/** Registers the routes of a session: how it begins, who it belongs to, its end, the password. */
export function sessionRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(login, async (c) => {
    const request = { ...c.req.valid('json'), address: clientAddress(gateway, c) }
    return c.json(await logIn(gateway, request), 200)
  })
  app.openapi(me, async (c) => {
    const caller = { actor: c.get('actor'), session: c.get('session') }
    return c.json(await getSession(gateway, caller), 200)
  })
  app.openapi(password, async (c) => {
    const caller = { actor: c.get('actor'), session: c.get('session') }
    const address = clientAddress(gateway, c)
    const change = { ...caller, ...c.req.valid('json'), address }
    return c.json(await changePassword(gateway, change), 200)
  })
  app.openapi(logout, async (c) => {
    await logOut(gateway, { actor: c.get('actor'), session: c.get('session') })
    return c.body(null, 204)
  })
}
