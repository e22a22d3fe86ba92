/** An edit of an account while a request runs: once the gateway knows of it, a failover follows it. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { anthropicJson, json, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let key: string
let firstFails: () => void
let asked: Promise<void>
beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway()
  admin = createTestAdmin(gateway)
  const apiUrl = upstream.url
  await admin.createAccount({ apiUrl, apiKey: 'sk-ant-first', priority: 1 })
  ;({ key } = await admin.createKey())
  const failing = new Promise<void>((resolve) => {
    firstFails = resolve
  })
  asked = new Promise((resolve) => {
    upstream.behave('sk-ant-first', async (exchange) => {
      resolve()
      await failing
      return json(500, {})(exchange)
    })
  })
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = async () =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: '{"model":"claude-x","messages":[]}',
  })

it('is asked at its new address with its new credential, and is not blamed for the old ones', async () => {
  // Nobody listens there.
  const { id } = await admin.createAccount({ apiUrl: 'http://127.0.0.1:1', apiKey: 'sk-ant-old' })
  upstream.behave('sk-ant-new', anthropicJson())
  const running = send()
  await asked
  const edit = { apiUrl: upstream.url, apiKey: 'sk-ant-new' }
  expect((await admin.call('PUT', `/accounts/claude-console/${id}`, edit)).status).toBe(200)
  // What the next request of anybody does.
  await gateway.gateway.catalog.loadPool()
  firstFails()
  expect((await running).status).toBe(200)
  await gateway.deferred()
  const { json: account } = await admin.call('GET', `/accounts/claude-console/${id}`)
  expect(account.health.status).toBe('healthy')
})

it('that was deleted meanwhile is asked as it was', async () => {
  const { id } = await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-gone' })
  upstream.behave('sk-ant-gone', anthropicJson())
  const running = send()
  await asked
  expect((await admin.call('DELETE', `/accounts/claude-console/${id}`)).status).toBe(200)
  await gateway.gateway.catalog.loadPool()
  firstFails()
  expect((await running).status).toBe(200)
})
