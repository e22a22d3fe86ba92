/** Which models get rows of their own in the usage ledger: a name that only a caller knows never stays in the store. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readUsage } from '../../src/ledger/usage.ts'
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

/** The models that have rows in the usage ledger, and those of a key. */
async function models(keyId: string): Promise<[string[], string[]]> {
  const { runtime, gateway: parts } = gateway
  const nowMs = runtime.now()
  const source = { redis: runtime.redis, keyspace: parts.keyspace, nowMs, timeZone: 'UTC' }
  const today = new Date(nowMs).toISOString().slice(0, 10)
  const query = { interval: 'day', from: today, to: today, by: ['model'] } as const
  const names = async (filter: { key?: string }) => {
    const answer = await readUsage(source, { ...query, filter })
    return answer.kind === 'usage' ? answer.rows.map((row) => row.names.model ?? '') : []
  }
  return [await names({}), await names({ key: keyId })]
}

it('a model of the price list, once an account has served it', async () => {
  await admin.createAccount({ apiUrl: upstream.url })
  const { status, keyId } = await ask('claude-sonnet-4-6')
  expect(status).toBe(200)
  expect(await models(keyId)).toEqual([['claude-sonnet-4-6'], ['claude-sonnet-4-6']])
})

it('a model that the account which served it lists', async () => {
  await admin.createAccount({
    apiUrl: upstream.url,
    supportedModels: { ours: 'claude-sonnet-4-6' },
  })
  const { keyId } = await ask('ours')
  expect(await models(keyId)).toEqual([['ours'], ['ours']])
})

it('no other: it is charged to the model other, and its trace keeps the name', async () => {
  await admin.createAccount({ apiUrl: upstream.url })
  const { status, id, keyId } = await ask('invented-7')
  expect(status).toBe(200)
  expect(await models(keyId)).toEqual([['other'], ['other']])
  expect((await admin.call('GET', `/requests/${id}`)).json.model).toBe('invented-7')
})

it('none that the account refused: that it was refused is noted under other', async () => {
  await admin.createAccount({ apiUrl: upstream.url })
  const error = { type: 'not_found_error', message: 'model: claude-sonnet-4-5-12345678' }
  upstream.respond(json(404, { type: 'error', error }))
  const { keyId } = await ask('claude-sonnet-4-5-12345678')
  expect(await models(keyId)).toEqual([['other'], ['other']])
})
