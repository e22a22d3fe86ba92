/** The public health check: whether the store takes writes, and which platforms can serve. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import type { Engine } from '../../src/store/redis.ts'
import {
  createTestAdmin,
  createTestGateway,
  read,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import { json, startUpstream } from '../support/upstream.ts'

let test: TestGateway
let admin: TestAdmin
let store: Engine
let commands: string[]
let refusal: string | undefined
let aheadMs: number
beforeEach(() => {
  commands = []
  refusal = undefined
  aheadMs = 0
  const now = () => Date.now() + aheadMs
  store = createEmbeddedEngine({ path: ':memory:', now })
  const engine: Engine = {
    ...store,
    async request(request) {
      const { body } = request
      const name = Array.isArray(body) ? String(body[0]).toUpperCase() : ''
      commands.push(name)
      if (refusal === 'lost') throw new Error('redis://secret is lost')
      if (refusal && name === 'SET') return { error: refusal } as never
      return store.request(request)
    },
  }
  test = createTestGateway({ engine, now })
  admin = createTestAdmin(test)
})
afterEach(async () => {
  await test.close()
  await store.close()
})

/** The answer once an earlier one is not given again. */
async function health() {
  aheadMs += 1_000
  const { status, json: body, text } = await read(await test.app.request('/health'))
  return { status, body, text }
}
const state = async () => (await health()).body.platforms['claude-console']

describe('GET /health', () => {
  it('is 503 for a store of a newer format, says so, and writes nothing to it', async () => {
    const { redis } = test.runtime
    const { pool, healthCheck } = test.gateway.keyspace
    await redis.hset(pool, { schema: '99' })
    const { status, body } = await health()
    expect([status, body.status]).toEqual([503, 'unavailable'])
    expect(body.store.error).toMatch(/format 99, which is newer than this gateway/)
    expect(await redis.exists(healthCheck)).toBe(0)
  })

  it.each([
    ["READONLY You can't write against a read only replica.", 'READONLY'],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'OOM'],
    ['MISCONF Redis is configured to save RDB snapshots', 'MISCONF'],
  ])('is 503 when the store refuses writes: %s', async (error, code) => {
    expect((await health()).status).toBe(200)
    refusal = error
    const { status, body } = await health()
    expect([status, body]).toEqual([
      503,
      { status: 'unavailable', store: { error: `The store takes no writes (${code})` } },
    ])
    refusal = undefined
    expect((await health()).status).toBe(200)
  })

  it('is 503 when the store does not answer, and says nothing of it', async () => {
    refusal = 'lost'
    const { status, body } = await health()
    expect([status, body.store]).toEqual([503, { error: 'The store does not answer' }])
  })

  it('asks the store once for all who ask in the same moment', async () => {
    await health()
    commands = []
    for (let index = 0; index < 20; index++) await test.app.request('/health')
    expect(commands).toEqual([])
  })

  it('tells of each platform whether an account can be chosen, and names none', async () => {
    expect((await health()).body.platforms).toEqual({
      'claude-console': 'no_accounts',
      codex: 'no_accounts',
    })
    const upstream = await startUpstream()
    const account = await admin.createAccount({ apiUrl: upstream.url, name: 'secret name' })
    const path = `/accounts/claude-console/${account.id}`
    expect(await state()).toBe('usable')
    await admin.call('PUT', path, { isActive: false })
    expect(await state()).toBe('unusable')
    await admin.call('PUT', path, { isActive: true })

    upstream.respond(json(401, { type: 'error', error: { type: 'authentication_error' } }))
    const { key } = await admin.createKey()
    await test.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'claude-sonnet-4-5', max_tokens: 8, messages: [] }),
    })
    await test.deferred()
    const { status, body, text } = await health()
    expect([status, body.platforms['claude-console']]).toEqual([200, 'unusable'])
    expect(text).not.toMatch(new RegExp(`secret|${account.id}`))
    await admin.call('POST', `${path}/reset-rate-limit`)
    expect(await state()).toBe('usable')
    await upstream.close()
  })
})

it('GET /livez answers without asking the store', async () => {
  refusal = 'lost'
  const { status, json: body } = await read(await test.app.request('/livez'))
  expect([status, body]).toEqual([200, { status: 'ok' }])
  expect(commands).toEqual([])
})
