import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { digestApiKey } from '../../src/crypto.ts'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import { racingGateway } from './racing.ts'

const startMs = Date.UTC(2026, 10, 22, 10, 20)
const unknownId = '019ac000-0000-7000-8000-000000000000'

const defaults = {
  name: 'key',
  description: '',
  tags: [],
  icon: '',
  isActive: true,
  expirationMode: 'fixed',
  expiresAt: null,
  activationDays: 0,
  activationUnit: 'days',
  permissions: 'all',
  claudeConsoleAccountId: null,
  codexAccountId: null,
  concurrencyLimit: 0,
  rateLimitWindow: 0,
  rateLimitRequests: 0,
  rateLimitCost: 0,
  dailyCostLimit: 0,
  weeklyOpusCostLimit: 0,
  totalCostLimit: 0,
  enableModelRestriction: false,
  restrictedModels: [],
  enableClientRestriction: false,
  allowedClients: [],
}

let nowMs = startMs
let test: TestGateway
let admin: TestAdmin
beforeAll(() => {
  test = createTestGateway({ now: () => nowMs })
  admin = createTestAdmin(test, 'alice')
})
afterAll(() => test.close())

describe('POST /keys', () => {
  it('refuses settings that would have no effect, by name', async () => {
    const answer = await admin.call('POST', '/keys', { name: 'k', rateLimitRequests: 5 })
    expect(answer.status).toBe(400)
    expect(answer.json.error.issues).toMatchObject([{ field: 'rateLimitWindow' }])
  })

  it('creates a key with the defaults and shows the plain key this once', async () => {
    const { status, json } = await admin.call('POST', '/keys', { name: ' key ' })
    expect(status).toBe(201)
    const { id, key, keyPreview } = json
    expect(json).toEqual({
      ...defaults,
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-/),
      key: expect.stringMatching(/^cr_[0-9A-Za-z]{32}$/),
      keyPreview: `cr_…${key.slice(-4)}`,
      createdAt: '2026-11-22T10:20:00.000Z',
      updatedAt: '2026-11-22T10:20:00.000Z',
      createdBy: 'alice',
      isDeleted: false,
      deletedAt: null,
      deletedBy: null,
      restoredAt: null,
    })
    const later = await admin.call('GET', `/keys/${id}`)
    expect(later.json.keyPreview).toBe(keyPreview)
    expect(later.text).not.toContain(key)
  })

  it('keeps every setting', async () => {
    const claude = await admin.createAccount()
    const codex = await admin.createAccount({}, 'codex')
    const settings = {
      name: 'Ünïcode 名前 🗝',
      description: 'for "tests"\nonly',
      tags: ['team', 'a'],
      icon: '🗝',
      isActive: false,
      expirationMode: 'activation',
      expiresAt: '2027-01-01T00:00:00+01:00',
      activationDays: 30,
      activationUnit: 'hours',
      permissions: 'claude',
      claudeConsoleAccountId: claude.id,
      codexAccountId: codex.id,
      concurrencyLimit: 3,
      rateLimitWindow: 60,
      rateLimitRequests: 100,
    }
    const created = await admin.createKey({ ...settings, tags: ['team', ' a ', 'team'] })
    expect(created).toMatchObject(settings)
    expect((await admin.call('GET', `/keys/${created.id}`)).json).toMatchObject(settings)
  })

  it('refuses a binding to an account that does not exist or serves another platform', async () => {
    const claude = await admin.createAccount()
    const bound = { claudeConsoleAccountId: unknownId, codexAccountId: claude.id }
    const { status, json } = await admin.call('POST', '/keys', { name: 'key', ...bound })
    expect(status).toBe(400)
    expect(json.error).toMatchObject({
      code: 'invalid_request',
      issues: [
        { field: 'claudeConsoleAccountId', message: 'No claude-console account has this id' },
        { field: 'codexAccountId', message: 'No codex account has this id' },
      ],
    })
  })

  it.each<[string, unknown, string]>([
    ['no name', {}, 'name'],
    ['a blank name', { name: ' ' }, 'name'],
    ['a name that is too long', { name: 'x'.repeat(101) }, 'name'],
    ['an empty tag', { tags: ['a', ''] }, 'tags.1'],
    ['a date without a time zone', { expiresAt: '2027-01-01T00:00:00' }, 'expiresAt'],
    ['another permission', { permissions: 'gemini' }, 'permissions'],
    ['a negative limit', { concurrencyLimit: -1 }, 'concurrencyLimit'],
    ['half a request', { rateLimitRequests: 1.5 }, 'rateLimitRequests'],
    ['a number as text', { rateLimitWindow: '5' }, 'rateLimitWindow'],
    ['a switch as text', { isActive: 'true' }, 'isActive'],
    ['an empty account id', { codexAccountId: '' }, 'codexAccountId'],
    ['a field of the record', { digest: 'd' }, 'digest'],
    ['a field that does not exist', { concurencyLimit: 1 }, 'concurencyLimit'],
  ])('refuses %s by name', async (_, fields, field) => {
    const body = { ...(field === 'name' ? {} : { name: 'key' }), ...(fields as object) }
    const { status, json } = await admin.call('POST', '/keys', body)
    expect(status).toBe(400)
    expect(json.error.code).toBe('invalid_request')
    expect(json.error.issues).toEqual([{ field, message: expect.any(String) }])
  })
})

describe('GET /keys/:id', () => {
  it('answers 404 for an id that is unknown or none', async () => {
    for (const id of [unknownId, 'x', '..%2Fadmin', '%00', '__proto__', unknownId.slice(1)]) {
      for (const [method, suffix] of [
        ['GET', ''],
        ['DELETE', ''],
        ['GET', '/stats'],
        ['PUT', ''],
        ['POST', '/restore'],
        ['POST', '/rotate'],
      ] as const) {
        const { status, json } = await admin.call(
          method,
          `/keys/${id}${suffix}`,
          method === 'PUT' ? {} : undefined,
        )
        expect([id, method, status]).toEqual([id, method, 404])
        expect(json.error.code).toBe('not_found')
      }
    }
  })

  it('tells when the key was first and last used', async () => {
    const { id } = await admin.createKey()
    expect((await admin.call('GET', `/keys/${id}`)).json).toMatchObject({
      activatedAt: null,
      lastUsedAt: null,
    })
    const counters = { activatedAtMs: startMs, lastUsedAtMs: startMs + 1500 }
    await test.runtime.redis.hset(test.gateway.keyspace.keyCounters(id), counters)
    expect((await admin.call('GET', `/keys/${id}`)).json).toMatchObject({
      activatedAt: '2026-11-22T10:20:00.000Z',
      lastUsedAt: '2026-11-22T10:20:01.500Z',
    })
  })
})

describe('DELETE /keys/:id', () => {
  it('keeps the record, and says who deleted it and when', async () => {
    const { id, key, ...record } = await admin.createKey()
    nowMs += 60_000
    const at = new Date(nowMs).toISOString()
    const { status, json } = await createTestAdmin(test, 'bob').call('DELETE', `/keys/${id}`)
    expect(status).toBe(200)
    const gone = { id, ...record, isDeleted: true, deletedAt: at, deletedBy: 'bob', updatedAt: at }
    expect(json).toEqual(gone)
    expect((await admin.call('GET', `/keys/${id}`)).json).toMatchObject(gone)
    expect((await test.gateway.catalog.load(digestApiKey(key))).apiKey?.revision).toBe(2)
  })

  it('changes nothing the second time', async () => {
    const { id } = await admin.createKey()
    const first = await admin.call('DELETE', `/keys/${id}`)
    nowMs += 60_000
    const second = await createTestAdmin(test, 'bob').call('DELETE', `/keys/${id}`)
    expect([second.status, second.text]).toEqual([200, first.text])
  })

  it('answers 409 when the key keeps changing between reading and writing', async () => {
    const { id, key } = await admin.createKey()
    const racing = racingGateway(test, () =>
      test.runtime.redis.hincrby(test.gateway.keyspace.apiKey(digestApiKey(key)), 'revision', 1),
    )
    const { status, json } = await createTestAdmin(racing).call('DELETE', `/keys/${id}`)
    expect([status, json.error.code]).toEqual([409, 'conflict'])
    expect((await admin.call('GET', `/keys/${id}`)).json.isDeleted).toBe(false)
    await racing.close()
  })
})
