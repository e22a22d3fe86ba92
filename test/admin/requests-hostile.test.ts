/** Requests that are not there, ids that cannot be, records that were damaged, and what the log says. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from '../../src/store/redis.ts'
import {
  createTestAdmin,
  createTestGateway,
  read,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import { json, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let test: TestGateway
let admin: TestAdmin
let accountId: string

beforeAll(async () => {
  upstream = await startUpstream()
  const config = { ACCOUNT_WAIT_SECONDS: '0', SOLE_ACCOUNT_RETRY_SECONDS: '0' }
  test = createTestGateway({ config })
  admin = createTestAdmin(test)
  ;({ id: accountId } = await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-a' }))
})
afterAll(async () => {
  await test.close()
  await upstream.close()
})

async function ask(key: string, fields: object = {}, gateway = test, init: RequestInit = {}) {
  const { status, headers } = await read(
    await gateway.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'claude-sonnet-4-6', messages: ['a secret'], ...fields }),
      ...init,
    }),
  )
  await gateway.deferred()
  return { status, id: headers.get('x-request-id') ?? '' }
}
const get = (id: string) => admin.call('GET', `/requests/${id}`)

describe('an id', () => {
  it.each([
    'no%20id',
    'a%3Ab',
    'a%2Fb',
    '%2e%2e%2fpool',
    '%00',
    '%E0%A4%A',
    'id%0A',
    'käse',
    'x'.repeat(129),
    '*',
  ])('that no request can have (%s) is refused by the name of the field', async (id) => {
    const { status, json: body } = await get(id)
    expect([status, body.error.code]).toEqual([400, 'invalid_request'])
    expect(body.error.issues).toEqual([
      { field: 'id', message: 'Must be 1 to 128 characters of A-Z, a-z, 0-9, _, - and =' },
    ])
  })

  it.each(['unknown', 'x'.repeat(128), '__proto__', 'constructor', '-', '='])(
    'that no request has (%s) is not found',
    async (id) => {
      const { status, json: body } = await get(id)
      expect([status, body.error.code]).toEqual([404, 'not_found'])
    },
  )

  it('tells nothing without a session', async () => {
    const { key } = await admin.createKey()
    const { id } = await ask(key)
    for (const headers of [{}, { authorization: `Bearer ${key}` }, { 'x-api-key': key }]) {
      expect((await test.app.request(`/api/v2/requests/${id}`, { headers })).status).toBe(401)
    }
    expect((await get(id)).status).toBe(200)
  })

  it('of a request that a limit of its key refused is in the log too', async () => {
    const { key } = await admin.createKey({ rateLimitWindow: 1, rateLimitRequests: 1 })
    await ask(key)
    const { status, id } = await ask(key)
    expect([status, (await get(id)).status]).toEqual([429, 200])
    const refusals = test.logged('error_answered').filter(({ requestId }) => requestId === id)
    expect(refusals).toMatchObject([{ code: 'request_limit' }])
  })
})

describe('a record', () => {
  const damage: [name: string, fields: Record<string, string>][] = [
    ['no trace', { trace: '' }],
    ['half a trace', { trace: '{"requestId":"x","att' }],
    ['a trace that is no object', { trace: '[1]' }],
    ['a trace that is null', { trace: 'null' }],
    [
      'a trace of other types',
      {
        trace: JSON.stringify({
          requestId: 1,
          receivedAtMs: 1e300,
          tookMs: 'long',
          stream: 'yes',
          affinity: 'psychic',
          end: 'abducted',
          passedOver: [null, 1, { accountId: 'a' }, { accountId: 'a', why: 'b', untilMs: 9e15 }],
          attempts: { accountId: 'a' },
        }),
      },
    ],
  ]

  it.each(damage)('with %s still shows its state and its receipt', async (_, fields) => {
    const { id: keyId, key } = await admin.createKey()
    const { id } = await ask(key)
    await test.runtime.redis.hset(test.gateway.keyspace.request(id), fields)
    const { status, json: view } = await get(id)
    expect(status).toBe(200)
    expect(view).toMatchObject({ ledgerId: id, state: 'served', keyId, accountId })
    expect(view).toMatchObject({ model: 'claude-sonnet-4-6', costUsd: 0.000141 })
    expect(view).toMatchObject({ usage: { outputTokens: 7 }, attempts: [] })
    expect([view.end, view.affinity, view.stream, view.tookMs]).toEqual([null, null, null, null])
    expect(view.receivedAt).toMatch(/^20/)
  })

  it('of an older version shows what its trace has', async () => {
    const { key } = await admin.createKey()
    const { id } = await ask(key)
    const trace = JSON.stringify({
      attempts: [{ accountId: 'a', outcome: 'answer', future: 1 }, { model: 'no account' }],
      passedOver: [{ accountId: 'b', why: 'inactive' }],
    })
    await test.runtime.redis.hset(test.gateway.keyspace.request(id), { trace })
    const { json: view } = await get(id)
    const unknown = { model: null, afterMs: null, tookMs: null, status: null, cooldownUntil: null }
    expect(view.attempts).toEqual([{ accountId: 'a', outcome: 'answer', ...unknown }])
    expect(view.passedOver).toEqual([{ accountId: 'b', why: 'inactive', until: null }])
  })

  const nothing = { state: 'rejected', accountId: null, usage: null, costUsd: 0, estimated: false }

  it('of a client that left before anything was sent names the key, and no account that served', async () => {
    const { id: keyId, key } = await admin.createKey()
    const { status, id } = await ask(key, {}, test, { signal: AbortSignal.abort() })
    expect(status).toBe(499)
    const { json: view } = await get(id)
    expect(view).toMatchObject({ ...nothing, requestId: id, keyId, platform: 'claude-console' })
    expect(view.receivedAt).toMatch(/^20/)
  })

  it('of a request whose admission got lost says the same', async () => {
    const { id: keyId, key } = await admin.createKey()
    let isLost = false
    const request: Engine['request'] = async (sent) => {
      const reply = await test.engine.request<never>(sent)
      if (!isLost) return reply
      isLost = false
      throw new Error('lost')
    }
    const gateway = createTestGateway({ engine: { ...test.engine, request } })
    // With the catalog in memory, the admission is the first that a request asks of the store.
    await ask(key, {}, gateway)
    isLost = true
    const { status, id } = await ask(key, {}, gateway)
    expect(status).toBe(503)
    expect((await get(id)).json).toMatchObject({ ...nothing, requestId: id, keyId, attempts: [] })
    await gateway.close()
  })

  it('whose receipt is damaged shows what is left of it', async () => {
    const { key } = await admin.createKey()
    const { id } = await ask(key)
    const name = test.gateway.keyspace.request(id)
    const damaged = { amounts: 'x:y', settledAtMs: 'z', member: 'm', expiresAtMs: '' }
    await test.runtime.redis.hset(name, damaged)
    expect((await get(id)).json).toMatchObject({ state: 'served', usage: null, costUsd: null })
    await test.runtime.redis.hset(name, { state: 'admitted' })
    expect((await get(id)).json).toMatchObject({ state: 'running', endedAt: null })
    await test.runtime.redis.hset(name, { state: 'of another version' })
    expect((await get(id)).status).toBe(404)
  })

  it('whose model has no price has no cost', async () => {
    const { key } = await admin.createKey()
    const { id } = await ask(key, { model: 'model-without-a-price' })
    expect((await get(id)).json).toMatchObject({ costUsd: null, usage: { outputTokens: 7 } })
  })

  it('holds nothing of what was asked or answered, no credential and no address', async () => {
    upstream.respond(json(500, { error: { message: `a secret of ${upstream.url}` } }))
    const { key } = await admin.createKey()
    const { id } = await ask(key)
    const { text } = await get(id)
    const { host } = new URL(upstream.url)
    for (const secret of ['a secret', host, 'sk-ant-', key]) expect(text).not.toContain(secret)
  })
})

describe('the log', () => {
  it('says of every request who asked, how it ended, each attempt and who was passed over', async () => {
    const { id: keyId, key } = await admin.createKey()
    const off = await admin.createAccount({ apiUrl: upstream.url, schedulable: false })
    const rest = await admin.call('POST', `/accounts/claude-console/${accountId}/reset-rate-limit`)
    expect(rest.status).toBe(200)
    upstream.respond(json(500, { error: { message: 'no' } }))
    const failed = await ask(key)
    const rejected = await ask(key)
    const lines = [failed, rejected].map(({ id }) =>
      test.logged('unserved').find(({ requestId }) => requestId === id),
    )
    const asked = { keyId, poolId: 'claude-console', model: 'claude-sonnet-4-6' }
    const passed = { accountId: off.id, why: 'not_schedulable' }
    expect(lines[0]).toMatchObject({ ...asked, ledgerId: failed.id, end: 'failed' })
    expect(lines[0]).toMatchObject({
      attempts: [{ accountId, outcome: 'server_error', status: 500 }],
    })
    expect(lines[0]).toMatchObject({ passedOver: [passed] })
    expect(lines[1]).toMatchObject({ ...asked, end: 'rejected', attempts: [] })
    expect(lines[1]).toMatchObject({ passedOver: [passed, { accountId, why: 'server_error' }] })

    upstream.respond(json(200, { type: 'message', content: [], usage: { output_tokens: 1 } }))
    await admin.call('POST', `/accounts/claude-console/${accountId}/reset-rate-limit`)
    const { id } = await ask(key)
    const [served] = test.logged('served').filter(({ requestId }) => requestId === id)
    expect(served).toMatchObject({ ...asked, ledgerId: id, end: 'complete', passedOver: [passed] })
    expect(served).toMatchObject({ accountId, attempts: [{ accountId, outcome: 'answer' }] })
  })
})
