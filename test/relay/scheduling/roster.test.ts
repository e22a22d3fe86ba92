/** Many accounts: a request names its candidates in few bytes, and obeys every edit all the same. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../../src/node/engines/embedded/engine.ts'
import type { Engine } from '../../../src/store/redis.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../../support/gateway.ts'
import { startUpstream, type Upstream } from '../../support/upstream.ts'

const count = 40
let store: Engine
let upstream: Upstream
let admin: ReturnType<typeof createTestAdmin>
let key: string
let ids: string[]
const open: TestGateway[] = []

/** One more process over the same store. */
function startGateway() {
  let sent: number[] = []
  const request: Engine['request'] = (given) => {
    const [, , keyCount] = given.body as unknown[]
    // The list itself goes to the store in the background, by a script that has one key.
    if (keyCount !== 1) sent.push(JSON.stringify(given.body).length)
    return store.request(given)
  }
  const gateway = createTestGateway({ engine: { ...store, request } })
  const { fetch } = gateway.runtime
  let beforeUpstream: number[] = []
  gateway.runtime.fetch = (url, init) => {
    beforeUpstream = [...sent]
    return fetch(url, init)
  }
  open.push(gateway)
  return {
    ...gateway,
    /** Sends a message; resolves to the account that served it and the bytes of each request to the store before that. */
    async send() {
      await gateway.deferred()
      sent = []
      const response = await gateway.app.request('/v1/messages', {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: '{"model":"claude-x","messages":[]}',
      })
      expect(response.status).toBe(200)
      await response.text()
      await gateway.deferred()
      return { served: upstream.requests.at(-1)?.credential, bytes: beforeUpstream }
    },
  }
}

beforeEach(async () => {
  store = createEmbeddedEngine({ path: ':memory:' })
  upstream = await startUpstream()
  admin = createTestAdmin(startGateway())
  const apiUrl = upstream.url
  ids = []
  for (let i = 0; i < count; i++) {
    const created = await admin.createAccount({ apiUrl, apiKey: `sk-ant-${i}`, priority: i + 1 })
    ids.push(String(created.id))
  }
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((gateway) => gateway.close()))
  await store.close()
  await upstream.close()
})
const path = (i: number) => `/accounts/claude-console/${ids[i]}`

it('writes them out once, and then names their places, as other processes do at once', async () => {
  const gateway = startGateway()
  await gateway.send()
  expect((await gateway.send()).bytes).toEqual([expect.toSatisfy((bytes) => bytes < 1_500)])
  const another = startGateway()
  const { bytes, served } = await another.send()
  // It reads the catalog first.
  expect(bytes).toHaveLength(2)
  expect(bytes.at(-1)).toBeLessThan(1_500)
  expect(served).toBe('sk-ant-0')
})

it('obeys an edit, and needs one round trip more for that', async () => {
  const gateway = startGateway()
  await gateway.send()
  await admin.call('PUT', path(0), { isActive: false })
  expect(await gateway.send()).toMatchObject({ served: 'sk-ant-1', bytes: { length: 2 } })
  await admin.call('PUT', path(30), { priority: 1 })
  expect(await gateway.send()).toMatchObject({ served: 'sk-ant-30', bytes: { length: 2 } })
  expect(await gateway.send()).toMatchObject({ served: 'sk-ant-30', bytes: { length: 1 } })
})

it('serves on where the store has lost them', async () => {
  const gateway = startGateway()
  await gateway.send()
  await gateway.send()
  const { keyspace, runtime } = gateway.gateway
  await runtime.redis.hdel(keyspace.pool, 'roster')
  expect(await gateway.send()).toMatchObject({ served: 'sk-ant-0', bytes: { length: 2 } })
  expect(await gateway.send()).toMatchObject({ served: 'sk-ant-0', bytes: { length: 1 } })
})
