import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listAudit } from '../../src/admin/audit/list.ts'
import { digestApiKey } from '../../src/crypto.ts'
import type { Actor } from '../../src/domain/actor.ts'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'

const credential = 'sk-ant-the-first-credential'
const other = 'sk-ant-the-second-credential'

let nowMs = Date.UTC(2026, 10, 22, 10, 20)
const owner: Actor = { kind: 'admin', username: 'root', role: 'owner' }
let test: TestGateway
let admin: TestAdmin
beforeAll(() => {
  test = createTestGateway({ now: () => nowMs })
  admin = createTestAdmin(test, 'alice')
})
afterAll(() => test.close())

/** What was recorded of one record, oldest first, as `[action, before, after]`. */
async function trailOf(id: string) {
  const { data } = await listAudit(test.gateway, { actor: owner, cursor: undefined, limit: 100 })
  const entries = data.filter(({ targetId }) => targetId === id)
  for (const entry of entries) expect(entry.actor).toBe('alice')
  return entries.reverse().map(({ action, before, after }) => [action, before, after])
}

/** Makes a change in a millisecond of its own, so that the trail is in order. */
async function change(method: string, path: string, body?: unknown) {
  nowMs += 1
  const { status, json } = await admin.call(method, path, body)
  expect(status, JSON.stringify(json)).toBeLessThan(300)
  return json
}

describe('the trail of a key', () => {
  it('holds each change, with the fields that changed and no others', async () => {
    const { key, ...record } = await change('POST', '/keys', { name: 'k', tags: ['t'] })
    const path = `/keys/${record.id}`
    await change('PUT', path, { name: 'new', tags: ['t'], concurrencyLimit: 2 })
    const rotated = await change('POST', `${path}/rotate`)
    const { deletedAt } = await change('DELETE', path)
    const { restoredAt } = await change('POST', `${path}/restore`)
    const gone = { isDeleted: true, deletedAt, deletedBy: 'alice' }
    const back = { isDeleted: false, deletedAt: null, deletedBy: null }
    expect(await trailOf(record.id)).toEqual([
      ['api_key.created', null, record],
      ['api_key.updated', { name: 'k', concurrencyLimit: 0 }, { name: 'new', concurrencyLimit: 2 }],
      ['api_key.rotated', { keyPreview: record.keyPreview }, { keyPreview: rotated.keyPreview }],
      ['api_key.deleted', back, gone],
      ['api_key.restored', { ...gone, restoredAt: null }, { ...back, restoredAt }],
    ])
    const stored = JSON.stringify(
      await test.runtime.redis.zrange(test.gateway.keyspace.audit, 0, -1),
    )
    for (const plain of [key, rotated.key]) {
      expect(stored).not.toContain(plain)
      expect(stored).not.toContain(digestApiKey(plain))
    }
  })

  it('holds one entry for each key of a batch', async () => {
    const { data } = await change('POST', '/keys', { name: 'b', count: 3 })
    for (const { id, name } of data) {
      const [first, ...more] = await trailOf(id)
      expect(first).toMatchObject(['api_key.created', null, { name }])
      expect(more).toEqual([])
    }
  })

  it('holds nothing of what changed nothing or was refused', async () => {
    const { id } = await change('POST', '/keys', { name: 'k' })
    const path = `/keys/${id}`
    await change('PUT', path, { name: 'k' })
    await change('POST', `${path}/restore`)
    await admin.call('PUT', path, { name: 'x' }, { 'if-match': '"7"' })
    await admin.call('PUT', path, { name: '' })
    await change('DELETE', path)
    await change('DELETE', path)
    await admin.call('POST', `${path}/rotate`)
    expect((await trailOf(id)).map(([action]) => action)).toEqual([
      'api_key.created',
      'api_key.deleted',
    ])
  })
})

describe('the trail of an account', () => {
  it('holds each change, with the fields that changed, and that the credential did', async () => {
    const { health, ...record } = await change('POST', '/accounts/codex', {
      name: 'a',
      apiUrl: 'https://api.example.com',
      apiKey: credential,
    })
    const path = `/accounts/codex/${record.id}`
    await change('PUT', path, { priority: 7, name: 'a' })
    await change('PUT', path, { apiKey: other })
    await change('POST', `${path}/toggle-schedulable`)
    await change('POST', `${path}/reset-rate-limit`)
    const untilMs = nowMs + 60_000
    const packed = `${untilMs}|1|${nowMs}|overloaded`
    await test.runtime.redis.hset(test.gateway.keyspace.health('codex'), { [record.id]: packed })
    await change('POST', `${path}/reset-rate-limit`)
    const last = await change('DELETE', path)
    const until = new Date(untilMs).toISOString()
    expect(await trailOf(record.id)).toEqual([
      ['account.created', null, record],
      ['account.updated', { priority: 50 }, { priority: 7 }],
      ['account.updated', {}, { apiKeyReplaced: true }],
      ['account.toggled', { schedulable: true }, { schedulable: false }],
      [
        'account.reset',
        expect.objectContaining({ status: 'cooling', reason: 'overloaded', until }),
        { status: 'healthy', reason: null, until: null, cooldowns: [] },
      ],
      ['account.deleted', last, null],
    ])
    const stored = JSON.stringify(
      await test.runtime.redis.zrange(test.gateway.keyspace.audit, 0, -1),
    )
    for (const secret of [credential, other, 'sealedApiKey', 'v1.']) {
      expect(stored).not.toContain(secret)
    }
  })

  it('holds what became of its proxy, and that the password was replaced, never the password', async () => {
    const passwords = ['the-first-proxy-password', 'the-second-proxy-password']
    const [first, second] = passwords.map((password) => ({ username: 'gateway', password }))
    const place = { protocol: 'http', host: 'proxy.example.com', port: 8080 }
    const { id } = await change('POST', '/accounts/codex', {
      name: 'a',
      apiUrl: 'https://api.example.com',
      apiKey: credential,
      proxy: { ...place, auth: first },
    })
    const path = `/accounts/codex/${id}`
    await change('PUT', path, { proxy: { ...place, auth: second } })
    await change('PUT', path, { proxy: { ...place, port: 81 } })
    await change('PUT', path, { proxy: { ...place, port: 81 } })
    await change('PUT', path, { proxy: null })
    await change('PUT', path, { proxy: { ...place, auth: first }, apiKey: other })
    await change('DELETE', path)
    const [known, unknown] = [
      { ...place, auth: { username: 'gateway' } },
      { ...place, port: 81 },
    ]
    const open = { proxy: { ...unknown, auth: null } }
    expect(await trailOf(id)).toMatchObject([
      ['account.created', null, { proxy: known }],
      ['account.updated', { proxy: known }, { proxy: known, proxyPasswordReplaced: true }],
      ['account.updated', { proxy: known }, open],
      ['account.updated', open, { proxy: null }],
      ['account.updated', { proxy: null }, { proxy: known, apiKeyReplaced: true }],
      ['account.deleted', { proxy: known }, null],
    ])
    const stored = JSON.stringify(
      await test.runtime.redis.zrange(test.gateway.keyspace.audit, 0, -1),
    )
    for (const secret of [...passwords, 'sealedPassword', '"password"', 'v1.']) {
      expect(stored).not.toContain(secret)
    }
  })

  it('holds nothing of a deletion that bound keys have stopped', async () => {
    const { id } = await admin.createAccount()
    await admin.createKey({ claudeConsoleAccountId: id })
    expect((await admin.call('DELETE', `/accounts/claude-console/${id}`)).status).toBe(409)
    expect((await trailOf(id)).map(([action]) => action)).toEqual(['account.created'])
  })
})
