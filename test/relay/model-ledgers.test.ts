/** Which models get a ledger of their own: a name that only a caller knows never stays in the store. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import { anthropicJson, json, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let admin: TestAdmin

beforeEach(async () => {
  upstream = await startUpstream()
  upstream.respond(anthropicJson())
  gateway = createTestGateway()
  admin = createTestAdmin(gateway)
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

async function ask(model: string): Promise<{ status: number; id: string; keyId: string }> {
  const { id: keyId, key } = await admin.createKey()
  const response = await gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [] }),
  })
  await response.text()
  await gateway.deferred()
  return { status: response.status, id: response.headers.get('x-request-id') ?? '', keyId }
}

/** Whether there is a ledger of the model, and one of it for the key. */
async function hasLedgers(keyId: string, model: string): Promise<[number, number]> {
  const { ledger } = gateway.gateway.keyspace
  const { redis } = gateway.runtime
  return [
    await redis.exists(ledger.model(model)),
    await redis.exists(ledger.keyModel(keyId, model)),
  ]
}

it('a model of the price list, once an account has served it', async () => {
  await admin.createAccount({ apiUrl: upstream.url })
  const { status, keyId } = await ask('claude-sonnet-4-6')
  expect(status).toBe(200)
  expect(await hasLedgers(keyId, 'claude-sonnet-4-6')).toEqual([1, 1])
  expect(await hasLedgers(keyId, 'other')).toEqual([0, 0])
})

it('a model that the account which served it lists', async () => {
  await admin.createAccount({
    apiUrl: upstream.url,
    supportedModels: { ours: 'claude-sonnet-4-6' },
  })
  const { keyId } = await ask('ours')
  expect(await hasLedgers(keyId, 'ours')).toEqual([1, 1])
})

it('no other: it is charged to the model other, and its trace keeps the name', async () => {
  await admin.createAccount({ apiUrl: upstream.url })
  const { status, id, keyId } = await ask('invented-7')
  expect(status).toBe(200)
  expect(await hasLedgers(keyId, 'invented-7')).toEqual([0, 0])
  expect(await hasLedgers(keyId, 'other')).toEqual([1, 1])
  expect((await admin.call('GET', `/requests/${id}`)).json.model).toBe('invented-7')
})

it('none that the account refused', async () => {
  await admin.createAccount({ apiUrl: upstream.url })
  const error = { type: 'not_found_error', message: 'model: claude-sonnet-4-5-12345678' }
  upstream.respond(json(404, { type: 'error', error }))
  const { keyId } = await ask('claude-sonnet-4-5-12345678')
  expect(await hasLedgers(keyId, 'claude-sonnet-4-5-12345678')).toEqual([0, 0])
})
