/** Which refusals need no body: they are made before a byte of it is read. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'

let gateway: TestGateway
let admin: TestAdmin

beforeEach(() => {
  gateway = createTestGateway()
  admin = createTestAdmin(gateway)
})
afterEach(() => gateway.close())

/** Sends a request whose body never comes; resolves to its status, and whether the body was asked for. */
async function send(key: string) {
  let isRead = false
  const body = new ReadableStream(
    {
      pull() {
        isRead = true
        return new Promise<void>(() => {})
      },
    },
    { highWaterMark: 0 },
  )
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  const request = { method: 'POST', headers, body, duplex: 'half' } as const
  const { status } = await gateway.app.request('/v1/messages', request)
  return { status, isRead }
}

const unread = (status: number) => ({ status, isRead: false })

it('an unknown key is refused before the body is read', async () => {
  expect(await send(`cr_${'x'.repeat(32)}`)).toEqual(unread(401))
})

it.each([
  ['disabled', { isActive: false }, 401],
  ['expired', { expiresAt: '2020-01-01T00:00:00Z' }, 401],
  ['without the permission', { permissions: 'codex' }, 403],
  ['for other programs', { enableClientRestriction: true, allowedClients: ['codex'] }, 403],
])('a key that is %s is refused before the body is read', async (_, settings, status) => {
  const { key } = await admin.createKey(settings)
  expect(await send(key)).toEqual(unread(status))
  expect(await send(key)).toEqual(unread(status))
})

it('a deleted key is refused before the body is read', async () => {
  const { id, key } = await admin.createKey()
  await admin.call('DELETE', `/keys/${id}`)
  expect(await send(key)).toEqual(unread(401))
})
