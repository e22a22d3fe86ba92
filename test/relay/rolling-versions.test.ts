/** A gateway over a store that a newer one writes to as well, as during a rolling upgrade. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { schemaVersion } from '../../src/store/schema.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { anthropicJson, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let accountId: string
let keys: string[]

beforeEach(async () => {
  upstream = await startUpstream()
  upstream.respond(anthropicJson({ text: 'hello' }))
  gateway = createTestGateway()
  const admin = createTestAdmin(gateway)
  ;({ id: accountId } = await admin.createAccount({ apiUrl: upstream.url, priority: 1 }))
  await admin.createAccount({ apiUrl: upstream.url, priority: 2 })
  keys = [(await admin.createKey()).key, (await admin.createKey()).key]
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = (key = '') =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-sonnet-4-6', messages: [] }),
  })

it('passes over an account that cools down for a reason it does not know', async () => {
  const { redis } = gateway.runtime
  const untilMs = gateway.runtime.now() + 60_000
  const health = gateway.gateway.keyspace.health('claude-console')
  await redis.hset(health, { [accountId]: `${untilMs}|1|0|of_the_future` })
  const response = await send(keys[0])
  expect([response.status, upstream.requests.length]).toEqual([200, 1])
})

it('refuses a known key and an unknown one alike while the store is converted to a newer format', async () => {
  const { redis } = gateway.runtime
  expect((await send(keys[0])).status).toBe(200)
  // Its settlement would wait for the old format.
  await gateway.deferred()
  await redis.hset(gateway.gateway.keyspace.pool, { schema: `${schemaVersion + 1} converting` })
  for (const key of [...keys, `${keys[0]?.slice(0, -4)}zzzz`]) {
    const response = await send(key)
    expect(response.status).toBe(503)
    expect(response.headers.get('x-should-retry')).toBe(null)
  }
})
