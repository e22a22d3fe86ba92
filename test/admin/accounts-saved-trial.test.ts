/** Adding or editing an account can try it, and is never refused for the outcome. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import { anthropicJson, json, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let test: TestGateway
let admin: TestAdmin
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(() => {
  test = createTestGateway()
  admin = createTestAdmin(test)
  upstream.requests.length = 0
  upstream.respond(anthropicJson())
})
afterEach(() => test.close())

const list = '/accounts/claude-console'
const fields = () => ({ name: 'a', apiUrl: upstream.url, apiKey: 'sk-ant-secret' })
const refusal = json(401, { type: 'error', error: { message: 'invalid x-api-key sk-ant-secret' } })

it('an account is created and tried', async () => {
  const { status, json: saved } = await admin.call('POST', `${list}?test=true`, fields())
  expect([status, saved.trial]).toEqual([
    201,
    { ok: true, status: 200, latencyMs: expect.any(Number), message: 'The account answered' },
  ])
  expect(upstream.requests).toHaveLength(1)
})

it.each(['', '?test=false'])(
  'an account is not tried unless that is asked for: "%s"',
  async (query) => {
    const { json: saved } = await admin.call('POST', list + query, fields())
    expect(saved).not.toHaveProperty('trial')
    await admin.call('PUT', `${list}/${saved.id}${query}`, { priority: 1 })
    expect(upstream.requests).toHaveLength(0)
  },
)

it('an account is saved although its trial fails, and stays healthy', async () => {
  upstream.respond(refusal)
  const created = await admin.call('POST', `${list}?test=true`, fields())
  expect([created.status, created.json.trial]).toMatchObject([201, { ok: false, status: 401 }])
  expect(created.text).not.toContain('sk-ant-secret')
  const nowhere = { apiUrl: 'http://127.0.0.1:1', apiKey: 'sk-ant-other' }
  const path = `${list}/${created.json.id}`
  const edited = await admin.call('PUT', `${path}?test=true`, nowhere)
  expect([edited.status, edited.json.trial]).toMatchObject([200, { ok: false, status: null }])
  const { json: stored } = await admin.call('GET', path)
  expect(stored).toMatchObject({ apiUrl: nowhere.apiUrl, health: { status: 'healthy' } })
  expect(stored).not.toHaveProperty('trial')
})

it('an edit is tried as it was saved', async () => {
  upstream.behave('sk-ant-new', anthropicJson())
  upstream.respond(refusal)
  const { json: created } = await admin.call('POST', list, fields())
  const path = `${list}/${created.id}?test=true`
  expect((await admin.call('PUT', path, { apiKey: 'sk-ant-new' })).json.trial.ok).toBe(true)
})

it('an edit that is refused is not tried', async () => {
  const { json: created } = await admin.call('POST', list, fields())
  const path = `${list}/${created.id}?test=true`
  expect((await admin.call('PUT', path, { apiUrl: 'no address' })).status).toBe(400)
  expect((await admin.call('PUT', path.replace('true', 'maybe'), {})).status).toBe(400)
  expect(upstream.requests).toHaveLength(0)
})
