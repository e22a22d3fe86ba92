/** Which refusals need no body: they are made before a byte of it is read. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Engine } from '../../src/store/redis.ts'
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
async function send(key: string, to = gateway) {
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
  const { status } = await to.app.request('/v1/messages', request)
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

/** Another process over the same store, of which the test sees each round trip and may hold the reply back. */
function elsewhere(reply: (roundTrip: number) => Promise<void> | undefined) {
  let roundTrips = 0
  const engine: Engine = {
    ...gateway.engine,
    async request<T>(request: Parameters<Engine['request']>[0]) {
      const roundTrip = ++roundTrips
      const answer = await gateway.engine.request<T>(request)
      await reply(roundTrip)
      return answer
    },
  }
  return { other: createTestGateway({ engine }), roundTrips: () => roundTrips }
}

it('requests with the same unknown key at the same time cost one round trip', async () => {
  const { other, roundTrips } = elsewhere(() => undefined)
  const key = `cr_${'b'.repeat(32)}`
  const answers = await Promise.all(Array.from({ length: 40 }, () => send(key, other)))
  expect(answers).toEqual(Array(40).fill(unread(401)))
  expect(roundTrips()).toBe(1)
})

it('a key that was enabled while the answer of the store to another request is under way is not refused', async () => {
  const { id, key } = await admin.createKey({ isActive: false })
  let arrive = () => {}
  const { other, roundTrips } = elsewhere((roundTrip) =>
    roundTrip > 1
      ? undefined
      : new Promise((resolve) => {
          arrive = resolve
        }),
  )
  const before = send(key, other)
  await expect.poll(roundTrips).toBe(1)
  await admin.call('PUT', `/keys/${id}`, { isActive: true })
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  const after = other.app.request('/v1/messages', { method: 'POST', headers, body: '{' })
  arrive()
  expect(await before).toEqual(unread(401))
  expect((await after).status).toBe(400)
})
