/** The keys in memory are those in the store, and only what has changed is read again. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createApiKeyDirectory } from '../../src/catalog/api-key-directory.ts'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { createRedis, type Engine } from '../../src/store/redis.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'

let store: Engine
let requests: unknown[]
let nowMs: number
let lister: TestGateway
let editor: TestGateway
let admin: ReturnType<typeof createTestAdmin>

beforeEach(() => {
  store = createEmbeddedEngine({ path: ':memory:' })
  requests = []
  nowMs = Date.UTC(2026, 10, 22)
  const counted: Engine = {
    ...store,
    request(request) {
      requests.push(request.body)
      return store.request(request)
    },
  }
  lister = createTestGateway({ engine: counted, now: () => nowMs })
  editor = createTestGateway({ engine: store })
  admin = createTestAdmin(editor)
})
afterEach(async () => {
  await Promise.all([lister.close(), editor.close()])
  await store.close()
})

const listing = async () => {
  const read = await lister.gateway.apiKeyDirectory.read()
  if (!read) throw new Error('There are too many keys')
  return read
}
const names = async () => (await listing()).named.map(({ name }) => name)

describe('the directory of keys', () => {
  it('asks the store once, and reads no record, where nothing has changed', async () => {
    await admin.call('POST', '/keys', { name: 'key', count: 100 })
    await listing()
    requests.length = 0
    expect((await listing()).named).toHaveLength(100)
    expect(requests).toHaveLength(1)
  })

  it('reads only the keys that another process has created, edited, deleted or rotated', async () => {
    await admin.call('POST', '/keys', { name: 'key', count: 100 })
    const { id } = await admin.createKey({ name: 'a' })
    const before = await listing()
    expect(before.named[0]).toMatchObject({ id, name: 'a', isDeleted: false })
    requests.length = 0
    await admin.call('PUT', `/keys/${id}`, { name: 'z' })
    await admin.createKey({ name: 'b' })
    const { digest } = before.byId.get(id) ?? {}
    await admin.call('POST', `/keys/${id}/rotate`)
    await admin.call('DELETE', `/keys/${id}`)
    const after = await listing()
    expect([after.named[0]?.name, after.named.at(-1)?.name]).toEqual(['b', 'z'])
    expect(after.named).toHaveLength(102)
    expect(after.byId.get(id)?.isDeleted).toBe(true)
    expect(after.byId.get(id)?.digest).not.toBe(digest)
    expect(after.created.map((record) => record.id)).toEqual([...after.byId.keys()].sort())
    const records = JSON.stringify(requests).match(/"hgetall"/g)
    expect(records).toHaveLength(2)
    // What was read before is left as it was, for a reader that has paused.
    expect(before.named[0]).toMatchObject({ id, name: 'a', isDeleted: false })
  })

  it('shows an edit to every list that begins after it', async () => {
    const { id } = await admin.createKey({ name: 'a' })
    const first = names()
    await admin.call('PUT', `/keys/${id}`, { name: 'b' })
    const second = names()
    expect(await second).toEqual(['b'])
    expect(['a', 'b']).toContain((await first)[0])
  })

  it('is read by each request for itself where a host may drop another one', async () => {
    await admin.createKey({ name: 'a' })
    let asked = 0
    const dropsFirst: Engine = {
      ...store,
      request: (request) =>
        asked++ === 0 ? Promise.withResolvers<never>().promise : store.request(request),
    }
    const { keyspace } = editor.gateway
    const runtime = {
      ...editor.runtime,
      redis: createRedis(dropsFirst),
      isolatesRequests: true,
    } as const
    const directory = createApiKeyDirectory({ runtime, keyspace })
    directory.read()
    expect((await directory.read())?.named.map(({ name }) => name)).toEqual(['a'])
  })

  it('finds keys that no change names: of an older gateway, or of a store that was wiped', async () => {
    await admin.createKey({ name: 'a' })
    expect(await names()).toEqual(['a'])
    await admin.createKey({ name: 'b' })
    const { redis } = editor.runtime
    const { keyspace } = editor.gateway
    await redis.del(keyspace.apiKeyChanges)
    expect(await names()).toEqual(['a', 'b'])
    await redis.del(keyspace.apiKeyIndex, keyspace.apiKeyChanges)
    expect(await names()).toEqual([])
    await admin.createKey({ name: 'c' })
    expect(await names()).toEqual(['c'])
  })

  it('reads everything again after ten minutes', async () => {
    const { id } = await admin.createKey({ name: 'a' })
    expect(await names()).toEqual(['a'])
    const { keyspace } = editor.gateway
    const record = (await listing()).byId.get(id)
    const restored = JSON.stringify({ ...record, name: 'restored' })
    await editor.runtime.redis.hset(keyspace.apiKey(record?.digest ?? ''), { record: restored })
    expect(await names()).toEqual(['a'])
    nowMs += 10 * 60_000 + 1
    expect(await names()).toEqual(['restored'])
  })

  it('leaves out a key that cannot be read, and asks no more often for that', async () => {
    await admin.createKey({ name: 'a' })
    const { id } = await admin.createKey({ name: 'b' })
    const digest = await editor.runtime.redis.get<string>(editor.gateway.keyspace.apiKeyDigest(id))
    await editor.runtime.redis.hset(editor.gateway.keyspace.apiKey(digest ?? ''), { record: '{' })
    expect(await names()).toEqual(['a'])
    requests.length = 0
    expect(await names()).toEqual(['a'])
    expect(requests).toHaveLength(1)
  })
})
