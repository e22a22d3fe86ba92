/** What the gateway tells of requests as typed events, and what its log says of whom. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { GatewayEvent } from '../../src/domain/events.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { anthropicJson, json, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let events: GatewayEvent[]

beforeEach(async () => {
  upstream = await startUpstream()
  events = []
  gateway = createTestGateway({ observe: (event) => void events.push(event) })
  admin = createTestAdmin(gateway)
  await admin.createAccount({ apiUrl: upstream.url })
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = async (key: string, body = '{"model":"claude-haiku-4-5","messages":[]}') =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body,
  })
const of = <Type extends GatewayEvent['type']>(type: Type) =>
  events.filter((event): event is Extract<GatewayEvent, { type: Type }> => event.type === type)

describe('a request', () => {
  it('that is served is one event, and its settlement another', async () => {
    const { id: keyId, key } = await admin.createKey()
    upstream.respond(json(529, {}), anthropicJson())
    await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-second' })
    expect((await send(key)).status).toBe(200)
    await gateway.deferred()
    const [served] = of('served')
    expect(of('attempt_failed')).toMatchObject([{ reason: 'overloaded' }])
    expect(served).toMatchObject({ keyId, end: 'complete', model: 'claude-haiku-4-5' })
    expect(served?.attempts.map(({ outcome }) => outcome)).toEqual(['overloaded', 'answer'])
    expect(served?.costNanoUsd).toBeGreaterThan(0)
    const settled = { ledgerId: served?.ledgerId, kind: 'final', reply: 'charged' }
    expect(of('settled')).toMatchObject([settled])
  })

  it('that an advisor took part in costs what both models cost, and counts the tokens apart', async () => {
    const { id: keyId, key } = await admin.createKey()
    const advised = { input_tokens: 1_000, output_tokens: 100 }
    const advisor = { type: 'advisor_message', model: 'claude-opus-4-8', ...advised }
    const usage = { input_tokens: 10, output_tokens: 2, iterations: [advisor] }
    upstream.respond(json(200, { type: 'message', content: [], usage }))
    await send(key)
    await gateway.deferred()
    // $1 and $5 a million of Haiku, $5 and $25 of Opus.
    const costNanoUsd = 10 * 1_000 + 2 * 5_000 + 1_000 * 5_000 + 100 * 25_000
    expect(of('served')).toMatchObject([
      {
        inputTokens: 10,
        outputTokens: 2,
        costNanoUsd,
        otherModels: [{ model: 'claude-opus-4-8' }],
      },
    ])
    const { json: stats } = await admin.call('GET', `/keys/${keyId}/stats`)
    expect(stats.total).toMatchObject({
      inputTokens: 10,
      costUsd: costNanoUsd / 1e9,
    })
  })

  it('that a limit of its key refuses is an event with cause, limit and use', async () => {
    const { id: keyId, key } = await admin.createKey({ rateLimitWindow: 1, rateLimitRequests: 1 })
    await send(key)
    expect((await send(key)).status).toBe(429)
    expect(of('denied')).toMatchObject([{ keyId, cause: 'window', limit: 1, used: 1 }])
    expect(of('error_answered')).toMatchObject([
      { keyId, code: 'request_limit', route: '/v1/messages' },
    ])
  })

  it.each([
    ['disabled', { isActive: false }, 'key_disabled'],
    ['expired', { expiresAt: '2026-01-01T00:00:00.000Z' }, 'key_expired'],
    ['for another platform', { permissions: 'codex' }, 'not_permitted'],
  ])('whose key is %s is refused with the id of that key', async (_, fields, code) => {
    const { id: keyId, key } = await admin.createKey()
    expect((await admin.call('PUT', `/keys/${keyId}`, fields)).status).toBe(200)
    await send(key)
    const known = { level: 'info', keyId, code }
    expect(gateway.logged('error_answered')).toMatchObject([known])
    if (code === 'not_permitted') return
    const headers = { 'x-api-key': key }
    expect((await gateway.app.request('/api/v2/me', { headers })).status).toBe(401)
    expect(gateway.logged('error_answered').slice(1)).toMatchObject([known])
  })

  it('whose key is deleted, or whose body is not JSON, is refused with the id of its key', async () => {
    const { id: keyId, key } = await admin.createKey()
    expect((await send(key, 'no JSON')).status).toBe(400)
    await admin.call('DELETE', `/keys/${keyId}`)
    expect((await send(key)).status).toBe(401)
    const codes = ['invalid_json', 'invalid_api_key']
    expect(gateway.logged('error_answered')).toMatchObject(codes.map((code) => ({ keyId, code })))
  })

  it('whose key does not exist is refused without one', async () => {
    expect((await send('cr_unknown')).status).toBe(401)
    expect(gateway.logged('error_answered')).toMatchObject([{ code: 'invalid_api_key' }])
    expect(of('error_answered')[0]?.keyId).toBeUndefined()
  })

  it('is served although an observer is broken', async () => {
    const broken = createTestGateway({
      engine: gateway.engine,
      observe: () => {
        throw new Error('an observer that is broken')
      },
    })
    const { key } = await admin.createKey()
    const body = '{"model":"claude-haiku-4-5","messages":[]}'
    const headers = { 'x-api-key': key, 'content-type': 'application/json' }
    const response = await broken.app.request('/v1/messages', { method: 'POST', headers, body })
    expect(response.status).toBe(200)
    await broken.close()
    expect(broken.logged('served')).toHaveLength(1)
  })
})

describe('a fault of the gateway', () => {
  it('is logged with its stack, which the caller is not shown', async () => {
    const { key } = await admin.createKey()
    await send(key)
    Object.assign(gateway.gateway.catalog, {
      peek: () => {
        throw new TypeError('catalog is broken')
      },
    })
    const response = await send(key)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toMatch(/broken|events\.test/)
    const failed = { level: 'error', code: 'internal', error: 'TypeError: catalog is broken' }
    expect(gateway.logged('failed')).toMatchObject([
      { ...failed, route: '/v1/messages', stack: expect.stringContaining('events.test.ts') },
    ])
  })
})

describe('a fault of a client', () => {
  /** Sends `text` over a socket of its own, and breaks the connection off. */
  async function breakOff(text: string) {
    const server = createAdaptorServer({ fetch: gateway.app.fetch })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const socket = connect(address && typeof address === 'object' ? address.port : 0, '127.0.0.1')
    const arrived = once(server, 'request')
    socket.write(text)
    await arrived
    socket.resetAndDestroy()
    await expect
      .poll(() => of('error_answered').length + of('failed').length, { timeout: 30_000 })
      .toBe(1)
    await new Promise((resolve) => server.close(resolve))
  }

  it.each([
    ['a login', '/api/v2/auth/admin/login', 'content-length: 100'],
    ['a login in chunks', '/api/v2/auth/admin/login', 'transfer-encoding: chunked'],
    ['a request to the relay', '/v1/messages', 'content-length: 100'],
    ['a request to the relay in chunks', '/v1/messages', 'transfer-encoding: chunked'],
  ])('that breaks %s off is no error', async (_, path, length) => {
    const { key } = await admin.createKey()
    const head = ['host: x', `x-api-key: ${key}`, 'content-type: application/json', length]
    await breakOff(`POST ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n3\r\n{"a`)
    expect(gateway.logged('error_answered')).toMatchObject([
      { level: 'info', code: 'client_closed' },
    ])
    expect(gateway.logged('failed')).toEqual([])
  })
})
