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
  admin = createTestAdmin(test, 'alice')
})
afterAll(() => test.close())

describe('PUT /keys/:id', () => {
  it('changes the given fields and no other', async () => {
    const { key, ...record } = await admin.createKey({ tags: ['a'], concurrencyLimit: 3 })
    nowMs += 60_000
    const patch = { name: ' new ', tags: ['b', ' b ', 'c'], expiresAt: '2027-01-01T00:00:00Z' }
    const { status, json } = await admin.call('PUT', `/keys/${record.id}`, patch)
    expect(status).toBe(200)
    const changed = { name: 'new', tags: ['b', 'c'], expiresAt: '2027-01-01T00:00:00Z' }
    expect(json).toEqual({ ...record, ...changed, updatedAt: new Date(nowMs).toISOString() })
    expect((await admin.call('GET', `/keys/${record.id}`)).json).toMatchObject(json)
  })

  it('changes nothing, not even the revision, when every field is as it was', async () => {
    const { id, key, ...record } = await admin.createKey()
    for (const patch of [{}, { name: 'key', tags: [] }]) {
      const { status, headers, json } = await admin.call('PUT', `/keys/${id}`, patch)
      expect([status, headers.get('etag')]).toEqual([200, '"1"'])
      expect(json).toEqual({ id, ...record })
    }
  })

  it.each<[string, unknown, string]>([
    ['a field of the record', { digest: 'd' }, 'digest'],
    ['an id', { id: unknownId }, 'id'],
    ['the deletion', { isDeleted: true }, 'isDeleted'],
    ['a field that does not exist', { concurencyLimit: 1 }, 'concurencyLimit'],
    ['a prototype', JSON.parse('{"__proto__":{"isActive":false}}'), '__proto__'],
    ['a constructor', { constructor: 1 }, 'constructor'],
    ['a blank name', { name: ' ' }, 'name'],
    ['no name', { name: null }, 'name'],
    ['a negative limit', { concurrencyLimit: -1 }, 'concurrencyLimit'],
    ['an unknown account', { codexAccountId: unknownId }, 'codexAccountId'],
    ['a time that is none', { updatedAt: 'yesterday' }, 'updatedAt'],
    ['a count', { count: 2 }, 'count'],
  ])('refuses %s by name, and writes nothing', async (_, patch, field) => {
    const { id } = await admin.createKey()
    const { status, json } = await admin.call('PUT', `/keys/${id}`, patch)
    expect([status, json.error.code]).toEqual([400, 'invalid_request'])
    expect(json.error.issues).toEqual([{ field, message: expect.any(String) }])
    expect((await admin.call('GET', `/keys/${id}`)).headers.get('etag')).toBe('"1"')
  })

  it('leaves a binding to an account that has gone since, unless it is changed', async () => {
    const account = await admin.createAccount()
    const { id } = await admin.createKey({ claudeConsoleAccountId: account.id })
    await admin.call('DELETE', `/accounts/claude-console/${account.id}?force=true`)
    const patch = { claudeConsoleAccountId: account.id, description: 'x' }
    expect((await admin.call('PUT', `/keys/${id}`, patch)).status).toBe(200)
  })

  it('refuses to change or rotate a deleted key, with 409', async () => {
    const { id } = await admin.createKey()
    await admin.call('DELETE', `/keys/${id}`)
    const answers = [
      await admin.call('PUT', `/keys/${id}`, { name: 'x' }),
      await admin.call('POST', `/keys/${id}/rotate`),
    ]
    for (const { status, json } of answers) {
      expect([status, json.error.code]).toEqual([409, 'conflict'])
      expect(json.error.message).toMatch(/deleted; restore it first/)
    }
  })
})

describe('an edit made from an older record', () => {
  it('is told apart by ETag: a stale If-Match is refused with 409 and writes nothing', async () => {
    const { id } = await admin.createKey()
    const put = (name: string, tag: string) =>
      admin.call('PUT', `/keys/${id}`, { name }, { 'if-match': tag })
    const tag = (await admin.call('GET', `/keys/${id}`)).headers.get('etag') ?? ''
    const first = await put('first', tag)
    expect([first.status, first.headers.get('etag')]).toEqual([200, '"2"'])
    for (const stale of [tag, '"9"', '""', '"2x"', '"1", "3"']) {
      const { status, json, headers } = await put('second', stale)
      expect([stale, status, json.error?.code]).toEqual([stale, 409, 'conflict'])
      expect(headers.get('etag')).toBeNull()
    }
    expect((await admin.call('GET', `/keys/${id}`)).json.name).toBe('first')
    for (const good of ['"2"', 'W/"3"', '"1", "4"', '*']) {
      expect((await put(`by ${good}`, good)).status).toBe(200)
    }
  })

  it.each(['2', '"2', 'x', 'W/2', '"1" "2"', '*, "1"', ''])(
    'is refused with 400 when its If-Match is %j, which is no tag',
    async (tag) => {
      const { id } = await admin.createKey()
      const answer = await admin.call('PUT', `/keys/${id}`, { name: 'x' }, { 'if-match': tag })
      expect(answer.status).toBe(400)
      expect(answer.json.error.issues[0].field).toBe('if-match')
    },
  )

  it('is told apart by updatedAt, even when the clock does not move', async () => {
    const { id, updatedAt } = await admin.createKey()
    const put = (name: string, from: unknown) =>
      admin.call('PUT', `/keys/${id}`, { name, updatedAt: from })
    const first = await put('first', updatedAt)
    expect(first.status).toBe(200)
    expect(first.json.updatedAt > String(updatedAt)).toBe(true)
    const stale = await put('second', updatedAt)
    expect([stale.status, stale.json.error.code]).toEqual([409, 'conflict'])
    const inAnotherZone = first.json.updatedAt.replace('Z', '+00:00')
    expect((await put('third', inAnotherZone)).json.name).toBe('third')
  })

  it('wins without a condition, and keeps what others changed in other fields', async () => {
    const { id } = await admin.createKey()
    const overtake = () => admin.call('PUT', `/keys/${id}`, { description: 'theirs' })
    const racing = racingGateway(test, overtake, 1)
    const answer = await createTestAdmin(racing).call('PUT', `/keys/${id}`, { name: 'mine' })
    expect(answer.json).toMatchObject({ name: 'mine', description: 'theirs' })
    await racing.close()
  })

  it('is refused with a condition when it is overtaken between reading and writing', async () => {
    const { id } = await admin.createKey()
    const overtake = () => admin.call('PUT', `/keys/${id}`, { description: 'theirs' })
    const racing = racingGateway(test, overtake, 1)
    const answer = await createTestAdmin(racing).call(
      'PUT',
      `/keys/${id}`,
      { name: 'mine' },
      { 'if-match': '"1"' },
    )
    expect(answer.status).toBe(409)
    expect((await admin.call('GET', `/keys/${id}`)).json.name).toBe('key')
    await racing.close()
  })
})

describe('POST /keys with a count', () => {
  it('creates so many keys, numbered, each with a secret of its own', async () => {
    const { status, json } = await admin.call('POST', '/keys', {
      name: 'team',
      tags: ['t'],
      count: 12,
    })
    expect(status).toBe(201)
    const names = json.data.map((record: { name: string }) => record.name)
    expect(names).toEqual(Array.from({ length: 12 }, (_, i) => `team ${i + 1}`))
    expect(new Set(json.data.map((record: { key: string }) => record.key)).size).toBe(12)
    for (const { id, key, ...record } of json.data) {
      expect(record).toMatchObject({ tags: ['t'], createdBy: 'alice' })
      expect((await admin.call('GET', `/keys/${id}`)).json.keyPreview).toBe(`cr_…${key.slice(-4)}`)
    }
    const listed = await admin.call('GET', '/keys?sort=createdAt&tag=t')
    expect(listed.json.data.map((record: { name: string }) => record.name)).toEqual(names)
  })

  it('answers with a list even for one', async () => {
    const { json } = await admin.call('POST', '/keys', { name: 'one', count: 1 })
    expect(json.data.map((record: { name: string }) => record.name)).toEqual(['one 1'])
  })

  it.each<[unknown, string]>([
    [{ name: 'n', count: 0 }, 'count'],
    [{ name: 'n', count: 101 }, 'count'],
    [{ name: 'n', count: '2' }, 'count'],
    [{ name: 'x'.repeat(98), count: 10 }, 'name'],
  ])('refuses a wrong one by name', async (body, field) => {
    const { status, json } = await admin.call('POST', '/keys', body)
    expect([status, json.error.issues[0].field]).toEqual([400, field])
  })
})
