import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import { racingGateway } from './racing.ts'

let nowMs = Date.UTC(2026, 10, 22, 10, 20)
const fetch = async () =>
  Response.json({ type: 'message', content: [], usage: { input_tokens: 1, output_tokens: 1 } })
let test: TestGateway
let other: TestGateway
let admin: TestAdmin
beforeAll(async () => {
  test = createTestGateway({ now: () => nowMs, fetch })
  other = createTestGateway({ now: () => nowMs, fetch, engine: test.engine })
  admin = createTestAdmin(test, 'alice')
  await admin.createAccount()
})
afterAll(async () => {
  await other.close()
  await test.close()
})

/** Asks a gateway for a message, and waits until its usage is recorded. */
async function send(gateway: TestGateway, key: string): Promise<number> {
  const { status } = await gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ model: 'claude-sonnet-4-5', max_tokens: 1, messages: [] }),
  })
  await gateway.deferred()
  return status
}

describe('POST /keys/:id/rotate', () => {
  it('gives the key a new secret, and every gateway obeys on the next request', async () => {
    const { id, key, ...record } = await admin.createKey()
    expect([await send(test, key), await send(other, key)]).toEqual([200, 200])
    nowMs += 1_000
    const { status, headers, json } = await admin.call('POST', `/keys/${id}/rotate`)
    expect([status, headers.get('etag')]).toEqual([200, '"2"'])
    expect(json.key).toMatch(/^cr_[0-9A-Za-z]{32}$/)
    const keyPreview = `cr_…${json.key.slice(-4)}`
    const updatedAt = new Date(nowMs).toISOString()
    expect(json).toEqual({ ...record, id, key: json.key, keyPreview, updatedAt })
    expect([await send(other, key), await send(test, key)]).toEqual([401, 401])
    expect([await send(other, json.key), await send(test, json.key)]).toEqual([200, 200])
    const later = await admin.call('GET', `/keys/${id}`)
    expect(later.json).toMatchObject({ id, keyPreview })
    expect(later.text).not.toContain(json.key)
  })

  it('keeps counters and usage, and removes every key of the old digest', async () => {
    const { id, key } = await admin.createKey({ rateLimitWindow: 60, rateLimitRequests: 2 })
    expect(await send(test, key)).toBe(200)
    const rotated = (await admin.call('POST', `/keys/${id}/rotate`)).json.key
    expect([await send(test, rotated), await send(test, rotated)]).toEqual([200, 429])
    expect((await admin.call('GET', `/keys/${id}/stats`)).json.total.requests).toBe(2)
    const listed = (await admin.call('GET', '/keys?limit=100')).json.data
    expect(listed.filter((record: { id: string }) => record.id === id)).toHaveLength(1)
  })

  it('happens twice when two ask at once, and one of the two secrets works', async () => {
    const { id, key } = await admin.createKey()
    const answers = await Promise.all([
      createTestAdmin(test).call('POST', `/keys/${id}/rotate`),
      createTestAdmin(other).call('POST', `/keys/${id}/rotate`),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    const statuses = await Promise.all(answers.map(({ json }) => send(test, json.key)))
    expect(statuses.toSorted()).toEqual([200, 401])
    expect(await send(other, key)).toBe(401)
    expect((await admin.call('GET', `/keys/${id}`)).headers.get('etag')).toBe('"3"')
  })

  it('does not lose an edit that it races with', async () => {
    const { id } = await admin.createKey()
    const rotate = () => admin.call('POST', `/keys/${id}/rotate`)
    const racing = racingGateway(test, rotate, 1)
    const edit = await createTestAdmin(racing).call('PUT', `/keys/${id}`, { name: 'edited' })
    expect([edit.status, edit.headers.get('etag')]).toEqual([200, '"3"'])
    const found = await admin.call('GET', `/keys/${id}`)
    expect(found.json).toEqual({ ...edit.json, activatedAt: null, lastUsedAt: null })
    await racing.close()
  })
})

describe('POST /keys/:id/restore', () => {
  it('takes a deletion back: the same secret works again, everywhere', async () => {
    const { id, key } = await admin.createKey()
    expect(await send(other, key)).toBe(200)
    const deleted = await admin.call('DELETE', `/keys/${id}`)
    expect(deleted.headers.get('etag')).toBe('"2"')
    expect([await send(test, key), await send(other, key)]).toEqual([401, 401])
    nowMs += 1_000
    const { status, json } = await admin.call('POST', `/keys/${id}/restore`)
    expect(status).toBe(200)
    const restoredAt = new Date(nowMs).toISOString()
    const restored = { isDeleted: false, deletedAt: null, deletedBy: null, restoredAt }
    expect(json).toMatchObject({ ...restored, updatedAt: restoredAt })
    expect([await send(test, key), await send(other, key)]).toEqual([200, 200])
  })

  it('changes nothing for a key that is not deleted', async () => {
    const { id, key, ...record } = await admin.createKey()
    const { status, headers, json } = await admin.call('POST', `/keys/${id}/restore`)
    expect([status, headers.get('etag')]).toEqual([200, '"1"'])
    expect(json).toEqual({ id, ...record })
  })
})

describe('an edit of a key', () => {
  it('is obeyed by every gateway on the next request', async () => {
    const { id, key } = await admin.createKey()
    expect([await send(test, key), await send(other, key)]).toEqual([200, 200])
    await admin.call('PUT', `/keys/${id}`, { isActive: false })
    expect([await send(test, key), await send(other, key)]).toEqual([401, 401])
    await admin.call('PUT', `/keys/${id}`, { isActive: true, permissions: 'codex' })
    expect([await send(test, key), await send(other, key)]).toEqual([403, 403])
  })
})
