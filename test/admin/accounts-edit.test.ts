import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import { racingGateway } from './racing.ts'

const unknownId = '019ac000-0000-7000-8000-000000000000'

let nowMs = Date.UTC(2026, 10, 22, 10, 20)
let test: TestGateway
let admin: TestAdmin
beforeAll(() => {
  test = createTestGateway({ now: () => nowMs })
  admin = createTestAdmin(test)
})
afterAll(() => test.close())

const pathOf = ({ id }: { id: string }) => `/accounts/claude-console/${id}`
const stored = async (id: string) => (await test.gateway.catalog.loadPool()).accounts.get(id)

describe('PUT /accounts/:platform/:id', () => {
  it('points an account to another host only together with a credential', async () => {
    const account = await admin.createAccount()
    const apiUrl = 'https://elsewhere.example.com'
    const refused = await admin.call('PUT', pathOf(account), { apiUrl })
    expect(refused.status).toBe(400)
    expect(refused.json.error.issues).toMatchObject([{ field: 'apiKey' }])
    const given = { apiUrl, apiKey: 'sk-ant-another' }
    expect((await admin.call('PUT', pathOf(account), given)).status).toBe(200)
    const samePlace = { apiUrl: `${apiUrl}/v1` }
    expect((await admin.call('PUT', pathOf(account), samePlace)).status).toBe(200)
  })

  it('changes the given fields and no other, and keeps the credential', async () => {
    const account = await admin.createAccount({ maxConcurrency: 3, supportedModels: ['a'] })
    const before = (await stored(account.id))?.record.sealedApiKey
    nowMs += 60_000
    const patch = {
      priority: 1,
      supportedModels: { a: 'b' },
      dailyQuota: 30,
      quotaResetTime: '06:00',
    }
    const { status, headers, json } = await admin.call('PUT', pathOf(account), patch)
    expect([status, headers.get('etag')]).toEqual([200, '"2"'])
    expect(json).toEqual({ ...account, ...patch, updatedAt: new Date(nowMs).toISOString() })
    expect((await admin.call('GET', pathOf(account))).json).toEqual(json)
    expect((await stored(account.id))?.record.sealedApiKey).toBe(before)
  })

  it('seals a new credential anew, and never shows it', async () => {
    const account = await admin.createAccount()
    const apiKey = 'sk-ant-the-second'
    const { status, text } = await admin.call('PUT', pathOf(account), { apiKey })
    expect(status).toBe(200)
    expect(text).not.toContain(apiKey)
    const sealed = (await stored(account.id))?.record.sealedApiKey ?? ''
    expect(test.gateway.sealer.unseal(sealed, account.id)).toBe(apiKey)
  })

  it.each([
    ['credential', { apiKey: 'sk-ant-repair' }],
    ['address', { apiUrl: 'https://api.example.com/v1' }],
    ['proxy', { proxy: { protocol: 'http', host: 'proxy.example.com', port: 8080 } }],
  ])('ends the cooldown of the account with a new %s, and with nothing else', async (_, repair) => {
    const account = await admin.createAccount()
    const { redis } = test.runtime
    const field = test.gateway.keyspace.health('claude-console')
    const packed = `${nowMs + 60_000}|1|${nowMs}|account_refused`
    await redis.hset(field, { [account.id]: packed, [`${account.id}/opus`]: packed })
    const other = await admin.call('PUT', pathOf(account), { priority: 3 })
    expect(other.json.health.status).toBe('cooling')
    const { json } = await admin.call('PUT', pathOf(account), repair)
    expect(json.health).toMatchObject({ status: 'healthy', cooldowns: [] })
  })

  it('moves the version of the pool, so that every gateway obeys', async () => {
    const account = await admin.createAccount()
    const { version } = await test.gateway.catalog.loadPool()
    await admin.call('PUT', pathOf(account), { priority: 9 })
    const after = await test.gateway.catalog.loadPool()
    expect(Number(after.version)).toBeGreaterThan(Number(version))
    await admin.call('PUT', pathOf(account), { priority: 9 })
    expect((await test.gateway.catalog.loadPool()).version).toBe(after.version)
  })

  it.each<[string, unknown, string]>([
    ['an address with credentials', { apiUrl: 'https://a:b@example.com' }, 'apiUrl'],
    ['no address', { apiUrl: '' }, 'apiUrl'],
    ['a blank credential', { apiKey: ' ' }, 'apiKey'],
    ['a priority of 0', { priority: 0 }, 'priority'],
    ['no quota', { dailyQuota: null }, 'dailyQuota'],
    ['a quota as text', { dailyQuota: '5' }, 'dailyQuota'],
    ['a day that begins at 8:30', { quotaResetTime: '8:30' }, 'quotaResetTime'],
    ['a day that begins with seconds', { quotaResetTime: '08:30:00' }, 'quotaResetTime'],
    ['another platform', { platform: 'codex' }, 'platform'],
    ['a field of the record', { sealedApiKey: 'v1.x' }, 'sealedApiKey'],
    ['a prototype', JSON.parse('{"__proto__":{}}'), '__proto__'],
  ])('refuses %s by name, and writes nothing', async (_, patch, field) => {
    const account = await admin.createAccount()
    const { status, json } = await admin.call('PUT', pathOf(account), patch)
    expect(status).toBe(400)
    expect(json.error.issues[0].field).toBe(field)
    expect((await stored(account.id))?.revision).toBe(1)
  })

  it('refuses a private address unless these are allowed', async () => {
    const account = await admin.createAccount()
    const config = { ALLOW_PRIVATE_UPSTREAMS: 'false' }
    const strict = createTestGateway({ engine: test.engine, config })
    const patch = { apiUrl: 'https://127.0.0.1' }
    const { status } = await createTestAdmin(strict).call('PUT', pathOf(account), patch)
    expect(status).toBe(400)
    await strict.close()
  })

  it('answers 409 to a stale If-Match or updatedAt, and writes nothing', async () => {
    const account = await admin.createAccount()
    const put = (body: object, headers = {}) => admin.call('PUT', pathOf(account), body, headers)
    expect((await put({ name: 'a' }, { 'if-match': '"1"' })).status).toBe(200)
    const stale = [
      await put({ name: 'b' }, { 'if-match': '"1"' }),
      await put({ name: 'b', updatedAt: account.updatedAt }),
    ]
    for (const { status, json } of stale) {
      expect([status, json.error.code]).toEqual([409, 'conflict'])
    }
    const { json } = await admin.call('GET', pathOf(account))
    expect(json.name).toBe('a')
    expect((await put({ name: 'b', updatedAt: json.updatedAt })).status).toBe(200)
  })

  it('keeps what others changed meanwhile in other fields', async () => {
    const account = await admin.createAccount()
    const overtake = () => admin.call('PUT', pathOf(account), { description: 'theirs' })
    const racing = racingGateway(test, overtake, 1)
    const { json } = await createTestAdmin(racing).call('PUT', pathOf(account), { name: 'mine' })
    expect(json).toMatchObject({ name: 'mine', description: 'theirs' })
    await racing.close()
  })

  it('and every other route of an account are not found for another platform or id', async () => {
    const { id } = await admin.createAccount()
    for (const path of [`/accounts/codex/${id}`, pathOf({ id: unknownId }), pathOf({ id: 'x' })]) {
      const statuses = [
        await admin.call('PUT', path, { name: 'x' }),
        await admin.call('POST', `${path}/toggle-schedulable`),
        await admin.call('POST', `${path}/reset-rate-limit`),
        await admin.call('POST', `${path}/test`),
        await admin.call('GET', `${path}/availability`),
      ].map(({ status }) => status)
      expect(statuses).toEqual([404, 404, 404, 404, 404])
    }
  })
})

describe('DELETE /accounts/:platform/:id with bound keys', () => {
  it('is refused with 409 and the keys by name, and then only forced', async () => {
    const account = await admin.createAccount()
    const bind = { claudeConsoleAccountId: account.id }
    const { id, key } = await admin.createKey({ ...bind, name: 'bound' })
    await admin.createKey({ name: 'free' })
    const gone = await admin.createKey(bind)
    await admin.call('DELETE', `/keys/${gone.id}`)
    for (const query of ['', '?force=false']) {
      const { status, json } = await admin.call('DELETE', `${pathOf(account)}${query}`)
      expect([status, json.error.code]).toEqual([409, 'conflict'])
      expect(json.error.issues).toEqual([
        { field: id, message: expect.stringContaining('"bound"') },
      ])
    }
    expect((await admin.call('GET', pathOf(account))).status).toBe(200)
    expect((await admin.call('DELETE', `${pathOf(account)}?force=true`)).status).toBe(200)
    const refused = await test.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: JSON.stringify({ model: 'm', max_tokens: 1, messages: [] }),
    })
    expect(refused.status).toBe(503)
    expect(await refused.text()).toContain('bound to does not exist')
  })

  it('names twenty keys at most, and says how many there are', async () => {
    const account = await admin.createAccount({}, 'codex')
    await admin.call('POST', '/keys', { name: 'k', codexAccountId: account.id, count: 25 })
    const { json } = await admin.call('DELETE', `/accounts/codex/${account.id}`)
    expect(json.error.issues).toHaveLength(20)
    expect(json.error.message).toMatch(/^25 gateway keys/)
  })

  it('refuses another force and another field by name', async () => {
    const account = await admin.createAccount()
    for (const [query, field] of [
      ['force=yes', 'force'],
      ['forced=true', 'forced'],
    ]) {
      const { status, json } = await admin.call('DELETE', `${pathOf(account)}?${query}`)
      expect([status, json.error.issues[0].field]).toEqual([400, field])
    }
  })
})
