import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import { racingGateway } from './racing.ts'

let nowMs = Date.UTC(2026, 10, 22, 10, 20)
let test: TestGateway
let admin: TestAdmin
beforeAll(() => {
  test = createTestGateway({ now: () => nowMs })
  admin = createTestAdmin(test)
})
afterAll(() => test.close())

const pathOf = ({ id }: { id: string }) => `/accounts/claude-console/${id}`
const availability = async (account: { id: string }) => {
  const { status, json } = await admin.call('GET', `${pathOf(account)}/availability`)
  expect(status).toBe(200)
  return json
}
const cool = (id: string, untilMs: number) =>
  test.runtime.redis.hset(test.gateway.keyspace.health('claude-console'), {
    [id]: `${untilMs}|1|${nowMs}|rate_limited`,
  })

/** A gateway on the same store that asks an upstream which never answers. */
const hanging = () =>
  createTestGateway({
    engine: test.engine,
    now: () => nowMs,
    fetch: (_, { signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  })
const ask = (gateway: TestGateway, key: string, signal: AbortSignal) =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    signal,
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ model: 'm', max_tokens: 1, messages: [] }),
  })

describe('GET /accounts/:platform/:id/availability', () => {
  it('is available without a reason against it', async () => {
    const account = await admin.createAccount({ maxConcurrency: 1 })
    expect(await availability(account)).toEqual({ available: true, reasons: [] })
  })

  it('names what an administrator has to end', async () => {
    const account = await admin.createAccount({ isActive: false, schedulable: false })
    expect(await availability(account)).toEqual({
      available: false,
      reasons: [
        {
          code: 'inactive',
          message: expect.any(String),
          models: 'all',
          endsBy: 'admin',
          until: null,
        },
        {
          code: 'not_schedulable',
          message: expect.any(String),
          models: 'all',
          endsBy: 'admin',
          until: null,
        },
      ],
    })
  })

  it('names a cooldown, its reason and its end, until it is over', async () => {
    const account = await admin.createAccount()
    const untilMs = nowMs + 60_000
    await cool(account.id, untilMs)
    const until = new Date(untilMs).toISOString()
    const message = 'The account is cooling down: rate_limited'
    expect(await availability(account)).toEqual({
      available: false,
      reasons: [{ code: 'cooling', message, models: 'all', endsBy: 'time', until }],
    })
    nowMs = untilMs
    expect(await availability(account)).toEqual({ available: true, reasons: [] })
  })

  it('names a credential that this gateway cannot read', async () => {
    const account = await admin.createAccount()
    const config = { ENCRYPTION_KEY: '11'.repeat(32) }
    const stranger = createTestGateway({ engine: test.engine, config, now: () => nowMs })
    const path = `${pathOf(account)}/availability`
    const { json } = await createTestAdmin(stranger).call('GET', path)
    expect(json.reasons).toEqual([
      {
        code: 'credential_unreadable',
        message: expect.stringContaining('set apiKey again'),
        models: 'all',
        endsBy: 'admin',
        until: null,
      },
    ])
    await stranger.close()
  })

  it('names a password of its proxy that this gateway cannot read, beside the credential', async () => {
    const auth = { username: 'gateway', password: 'a password' }
    const proxy = { protocol: 'http', host: 'proxy.example.com', port: 8080, auth }
    const account = await admin.createAccount({ proxy })
    expect(await availability(account)).toEqual({ available: true, reasons: [] })
    const config = { ENCRYPTION_KEY: '11'.repeat(32) }
    const stranger = createTestGateway({ engine: test.engine, config, now: () => nowMs })
    const path = `${pathOf(account)}/availability`
    const { json } = await createTestAdmin(stranger).call('GET', path)
    expect(json.reasons).toEqual(
      ['set apiKey again', 'set proxy again'].map((message) => ({
        code: 'credential_unreadable',
        message: expect.stringContaining(message),
        models: 'all',
        endsBy: 'admin',
        until: null,
      })),
    )
    await stranger.close()
  })

  it('names a proxy that this host cannot go through', async () => {
    const workers = createTestGateway({ engine: test.engine, now: () => nowMs, canProxy: false })
    const worker = createTestAdmin(workers)
    const proxy = { protocol: 'socks5', host: 'proxy.example.com', port: 1080 }
    const account = await worker.createAccount({ proxy })
    const { json } = await worker.call('GET', `${pathOf(account)}/availability`)
    expect(json).toEqual({
      available: false,
      reasons: [
        {
          code: 'proxy_unsupported',
          message: expect.stringMatching(/^This host .* cannot go through a proxy; remove it/),
          models: 'all',
          endsBy: 'admin',
          until: null,
        },
      ],
    })
    expect(await availability(account)).toEqual({ available: true, reasons: [] })
    await worker.call('PUT', pathOf(account), { proxy: null })
    const { json: without } = await worker.call('GET', `${pathOf(account)}/availability`)
    expect(without.available).toBe(true)
    await workers.close()
  })

  it('names its concurrency cap while it is reached, not for requests whose process ended', async () => {
    const fields = { accountType: 'dedicated', maxConcurrency: 1 }
    const account = await admin.createAccount(fields)
    const { key } = await admin.createKey({ claudeConsoleAccountId: account.id })
    const gateway = hanging()
    const left = new AbortController()
    const request = ask(gateway, key, left.signal)
    await expect.poll(async () => (await availability(account)).available).toBe(false)
    expect((await availability(account)).reasons).toEqual([
      {
        code: 'at_capacity',
        message: 'The account has 1 request in flight, and its limit is 1',
        models: 'all',
        endsBy: 'load',
        until: null,
      },
    ])
    nowMs += 3_600_000
    expect(await availability(account)).toEqual({ available: true, reasons: [] })
    left.abort()
    await request
    await gateway.close()
  })
})

describe('POST /accounts/:platform/:id/toggle-schedulable', () => {
  it('takes the account out of scheduling, and back in', async () => {
    const account = await admin.createAccount()
    const path = `${pathOf(account)}/toggle-schedulable`
    const off = await admin.call('POST', path)
    expect([off.status, off.json.schedulable, off.headers.get('etag')]).toEqual([200, false, '"2"'])
    expect((await availability(account)).reasons[0].code).toBe('not_schedulable')
    expect((await admin.call('POST', path)).json.schedulable).toBe(true)
  })

  it('toggles twice when two ask at once', async () => {
    const account = await admin.createAccount()
    const path = `${pathOf(account)}/toggle-schedulable`
    const racing = racingGateway(test, () => admin.call('POST', path), 1)
    expect((await createTestAdmin(racing).call('POST', path)).json.schedulable).toBe(true)
    await racing.close()
  })
})

describe('POST /accounts/:platform/:id/reset-rate-limit', () => {
  it('ends the cooldown at once, and only that of this account', async () => {
    const account = await admin.createAccount()
    const other = await admin.createAccount()
    for (const { id } of [account, other]) await cool(id, nowMs + 60_000)
    const { status, headers, json } = await admin.call(
      'POST',
      `${pathOf(account)}/reset-rate-limit`,
    )
    expect([status, headers.get('etag')]).toEqual([200, '"1"'])
    expect(json.health).toMatchObject({ status: 'healthy', reason: null, until: null })
    expect((await availability(account)).available).toBe(true)
    expect((await availability(other)).available).toBe(false)
  })
})
