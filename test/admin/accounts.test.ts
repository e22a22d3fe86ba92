import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import { racingGateway } from './racing.ts'

const unknownId = '019ac000-0000-7000-8000-000000000000'
const required = { name: 'account', apiUrl: 'https://api.example.com', apiKey: 'sk-ant-test' }

let nowMs = Date.UTC(2026, 10, 22, 10, 20)
let test: TestGateway
let admin: TestAdmin
beforeAll(() => {
  test = createTestGateway({ now: () => nowMs })
  admin = createTestAdmin(test)
})
afterAll(() => test.close())

describe('POST /accounts/:platform', () => {
  it.each(['claude-console', 'codex'])('creates an account of %s', async (platform) => {
    const { status, json } = await admin.call('POST', `/accounts/${platform}`, required)
    expect(status).toBe(201)
    expect(json).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      platform,
      name: 'account',
      description: '',
      apiUrl: 'https://api.example.com',
      userAgent: '',
      priority: 50,
      schedulable: true,
      isActive: true,
      accountType: 'shared',
      supportedModels: [],
      maxConcurrency: 0,
      credentialHeader: 'auto',
      rateLimitDuration: 5,
      dailyQuota: 0,
      costMultiplier: 1,
      quotaResetTime: '00:00',
      proxy: null,
      createdAt: '2026-11-22T10:20:00.000Z',
      updatedAt: '2026-11-22T10:20:00.000Z',
      health: { status: 'healthy', reason: null, until: null, cooldowns: [] },
    })
    expect((await admin.call('GET', `/accounts/${platform}/${json.id}`)).json).toEqual(json)
  })

  it.each(['create', 'edit'])(
    'refuses the token of a subscription, to %s an account',
    async (way) => {
      const apiKey = `sk-ant-oat01-${'x'.repeat(40)}`
      const fields = { name: 'a', apiUrl: 'https://api.example.com', apiKey }
      const { id } = await admin.createAccount()
      const { status, json, text } =
        way === 'create'
          ? await admin.call('POST', '/accounts/claude-console', fields)
          : await admin.call('PUT', `/accounts/claude-console/${id}`, { apiKey })
      expect(status).toBe(400)
      expect(json.error.issues[0].field).toBe('apiKey')
      expect(json.error.message).toContain('terms forbid to share it')
      expect(text).not.toContain(apiKey)
    },
  )

  it('keeps every setting', async () => {
    const settings = {
      name: 'Ünïcode 名前',
      description: 'first',
      apiUrl: 'http://127.0.0.1:8080/base/',
      userAgent: 'agent/1.0 (x)',
      priority: 1,
      schedulable: false,
      isActive: false,
      accountType: 'dedicated',
      supportedModels: { 'claude-opus-4-5': 'vendor/opus', constructor: 'x' },
      maxConcurrency: 7,
      rateLimitDuration: 60,
      dailyQuota: 12.5,
      quotaResetTime: '23:59',
      proxy: { protocol: 'https', host: 'proxy.example.com', port: 8443, auth: null },
    }
    const { id } = await admin.createAccount(settings)
    expect((await admin.call('GET', `/accounts/claude-console/${id}`)).json).toMatchObject(settings)
  })

  it('seals the credential for this account', async () => {
    const { id } = await admin.createAccount({ apiKey: ' sk-ant-credential ' })
    const stored = (await test.gateway.catalog.loadPool()).accounts.get(id)?.record
    const sealed = stored?.sealedApiKey ?? ''
    expect(test.gateway.sealer.unseal(sealed, id)).toBe('sk-ant-credential')
    expect(() => test.gateway.sealer.unseal(sealed, unknownId)).toThrow()
  })

  it('is seen by the pool of every process at once', async () => {
    const before = (await test.gateway.catalog.loadPool()).version
    const { id } = await admin.createAccount()
    const created = await test.gateway.catalog.loadPool()
    expect(Number(created.version)).toBeGreaterThan(Number(before))
    await admin.call('DELETE', `/accounts/claude-console/${id}`)
    const removed = await test.gateway.catalog.loadPool()
    expect(Number(removed.version)).toBeGreaterThan(Number(created.version))
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['no name', { name: undefined }, 'name'],
    ['no credential', { apiKey: undefined }, 'apiKey'],
    ['a blank credential', { apiKey: ' ' }, 'apiKey'],
    ['a credential that no header can carry', { apiKey: 'sk\nx' }, 'apiKey'],
    ['a user agent that no header can carry', { userAgent: 'a\r\nb: c' }, 'userAgent'],
    ['no address', { apiUrl: undefined }, 'apiUrl'],
    ['an address that is none', { apiUrl: 'api.example.com' }, 'apiUrl'],
    ['another scheme', { apiUrl: 'file:///etc/passwd' }, 'apiUrl'],
    ['an address with credentials', { apiUrl: 'https://a:b@example.com' }, 'apiUrl'],
    ['a priority of 0', { priority: 0 }, 'priority'],
    ['a priority of 101', { priority: 101 }, 'priority'],
    ['another type', { accountType: 'group' }, 'accountType'],
    ['a model as a number', { supportedModels: [1] }, 'supportedModels'],
    ['a map to nothing', { supportedModels: { a: '' } }, 'supportedModels.a'],
    ['too many models', { supportedModels: Array(501).fill('m') }, 'supportedModels'],
    ['half a request', { maxConcurrency: 0.5 }, 'maxConcurrency'],
    ['a quota below nothing', { dailyQuota: -1 }, 'dailyQuota'],
    ['a day that begins at 24:00', { quotaResetTime: '24:00' }, 'quotaResetTime'],
    ['a field of the record', { sealedApiKey: 'v1.x' }, 'sealedApiKey'],
    ['an id of its own', { id: unknownId }, 'id'],
    ['a field that does not exist', { proxy_url: 'x' }, 'proxy_url'],
  ])('refuses %s by name', async (_, fields, field) => {
    const { status, json } = await admin.call('POST', '/accounts/codex', { ...required, ...fields })
    expect(status).toBe(400)
    expect(json.error.code).toBe('invalid_request')
    const named = json.error.issues.map((issue: { field: string }) => issue.field)
    expect([...new Set(named)]).toEqual([field])
  })

  it('refuses private addresses and plain http unless they are allowed', async () => {
    const strict = createTestGateway({ config: { ALLOW_PRIVATE_UPSTREAMS: 'false' } })
    for (const apiUrl of ['https://127.0.0.1', 'https://[::1]:8', 'http://api.example.com']) {
      const body = { ...required, apiUrl }
      const answer = await createTestAdmin(strict).call('POST', '/accounts/codex', body)
      expect(answer.status).toBe(400)
      expect(answer.json.error.issues[0].field).toBe('apiUrl')
    }
    await strict.close()
  })
})

describe('GET /accounts/:platform', () => {
  it('lists the accounts of one platform in the order of their creation, page by page', async () => {
    const own = createTestGateway({ now: () => nowMs })
    const lister = createTestAdmin(own)
    const ids: string[] = []
    expect((await lister.call('GET', '/accounts/codex')).json).toEqual({
      data: [],
      nextCursor: null,
    })
    for (let i = 0; i < 5; i++) {
      nowMs += 1
      ids.push((await lister.createAccount({}, 'codex')).id)
      await lister.createAccount()
    }
    const page = async (query: string) => {
      const { status, json } = await lister.call('GET', `/accounts/codex${query}`)
      expect(status).toBe(200)
      return [json.data.map((record: { id: string }) => record.id), json.nextCursor]
    }
    expect(await page('')).toEqual([ids, null])
    expect(await page('?limit=2')).toEqual([ids.slice(0, 2), ids[1]])
    expect(await page(`?limit=2&cursor=${ids[1]}`)).toEqual([ids.slice(2, 4), ids[3]])
    expect(await page(`?limit=2&cursor=${ids[3]}`)).toEqual([ids.slice(4), null])
    expect(await page(`?limit=2&cursor=${ids[2]}`)).toEqual([ids.slice(3), null])
    await own.close()
  })

  it.each([
    ['isActive=false', ['off']],
    ['schedulable=false', ['paused']],
    ['accountType=dedicated', ['own']],
    ['isActive=true&schedulable=true&accountType=shared', ['plain']],
    ['isActive=false&schedulable=false', []],
  ])('finds exactly the accounts of ?%s', async (query, names) => {
    const own = createTestGateway()
    const lister = createTestAdmin(own)
    await lister.createAccount({ name: 'plain' })
    await lister.createAccount({ name: 'off', isActive: false })
    await lister.createAccount({ name: 'paused', schedulable: false })
    await lister.createAccount({ name: 'own', accountType: 'dedicated' })
    const { json } = await lister.call('GET', `/accounts/claude-console?${query}`)
    expect(json.data.map((record: { name: string }) => record.name)).toEqual(names)
    await own.close()
  })

  it('refuses a wrong page by name', async () => {
    const { status, json } = await admin.call(
      'GET',
      '/accounts/codex?limit=0&cursor=1&page=2&isActive=1&accountType=x',
    )
    expect(status).toBe(400)
    const named = json.error.issues.map((issue: { field: string }) => issue.field)
    expect(named.toSorted()).toEqual(['accountType', 'cursor', 'isActive', 'limit', 'page'])
  })
})

describe('the health of an account', () => {
  it('is cooling until the end of its cooldown, and recovering from then on', async () => {
    const { id } = await admin.createAccount()
    const { redis } = test.runtime
    const untilMs = nowMs + 60_000
    const until = new Date(untilMs).toISOString()
    const packed = `${untilMs}|2|${nowMs}|rate_limited`
    await redis.hset(test.gateway.keyspace.health('claude-console'), { [id]: packed })
    const health = async () =>
      (await admin.call('GET', `/accounts/claude-console/${id}`)).json.health
    expect(await health()).toMatchObject({ status: 'cooling', reason: 'rate_limited', until })
    nowMs = untilMs
    expect(await health()).toMatchObject({ status: 'recovering', reason: 'rate_limited', until })
    const { json } = await admin.call('GET', '/accounts/claude-console')
    const listed = json.data.find((record: { id: string }) => record.id === id)
    expect(listed.health.status).toBe('recovering')
    await redis.hdel(test.gateway.keyspace.health('claude-console'), id)
    expect(await health()).toMatchObject({ status: 'healthy', reason: null, until: null })
  })
})

describe('DELETE /accounts/:platform/:id', () => {
  it('answers with the account as it was, and then it is gone', async () => {
    const { health, ...record } = await admin.createAccount()
    const path = `/accounts/claude-console/${record.id}`
    const removed = await admin.call('DELETE', path)
    expect(removed.status).toBe(200)
    expect(removed.json).toEqual(record)
    expect((await admin.call('GET', path)).status).toBe(404)
    expect((await admin.call('DELETE', path)).status).toBe(404)
  })

  it('answers 409 when the account keeps changing between reading and writing', async () => {
    const { id } = await admin.createAccount()
    const path = `/accounts/claude-console/${id}`
    const { pool } = test.gateway.keyspace
    let revision = 1
    const racing = racingGateway(test, async () => {
      const packed = await test.runtime.redis.hget<string>(pool, `account:${id}`)
      const newer = `${++revision}${packed?.slice(packed.indexOf(' '))}`
      await test.runtime.redis.hset(pool, { [`account:${id}`]: newer })
    })
    const { status, json } = await createTestAdmin(racing).call('DELETE', path)
    expect([status, json.error.code]).toEqual([409, 'conflict'])
    expect((await admin.call('GET', path)).status).toBe(200)
    await racing.close()
  })
})

describe('an account path', () => {
  it('is not found on another platform, nor on one that does not exist', async () => {
    const { id } = await admin.createAccount()
    for (const platform of ['codex', 'gemini', '__proto__', 'claude-console%20']) {
      for (const method of ['GET', 'DELETE']) {
        const { status, json } = await admin.call(method, `/accounts/${platform}/${id}`)
        expect([platform, status, json.error.code]).toEqual([platform, 404, 'not_found'])
      }
    }
    expect((await admin.call('GET', '/accounts/gemini')).status).toBe(404)
    expect((await admin.call('POST', '/accounts/gemini', required)).status).toBe(404)
  })

  it('is not found with an id that is unknown or none', async () => {
    for (const id of [unknownId, 'version', 'x', '%00', '..%2F..%2Fkeys']) {
      for (const method of ['GET', 'DELETE']) {
        expect((await admin.call(method, `/accounts/codex/${id}`)).status).toBe(404)
      }
    }
  })
})
