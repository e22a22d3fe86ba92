import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'

let nowMs = Date.UTC(2026, 10, 22, 10, 20)

describe('GET /keys', () => {
  let own: TestGateway
  let lister: TestAdmin
  afterEach(() => own.close())

  /** A gateway with so many keys, newest first. */
  async function withKeys(count: number): Promise<string[]> {
    own = createTestGateway({ now: () => nowMs })
    lister = createTestAdmin(own)
    const ids: string[] = []
    for (let i = 0; i < count; i++) {
      nowMs += 1
      ids.unshift((await lister.createKey({ name: `key ${i}` })).id)
    }
    return ids
  }

  async function pages(query: string): Promise<string[][]> {
    const found: string[][] = []
    let cursor = ''
    do {
      const { status, json } = await lister.call('GET', `/keys?${query}${cursor}`)
      expect(status).toBe(200)
      found.push(json.data.map((record: { id: string }) => record.id))
      cursor = json.nextCursor === null ? '' : `&cursor=${json.nextCursor}`
    } while (cursor !== '')
    return found
  }

  it('is empty at first', async () => {
    await withKeys(0)
    expect((await lister.call('GET', '/keys')).json).toEqual({ data: [], nextCursor: null })
  })

  it('lists records newest first, without keys and digests', async () => {
    const ids = await withKeys(3)
    const { status, json } = await lister.call('GET', '/keys')
    expect(status).toBe(200)
    expect(json.nextCursor).toBeNull()
    expect(json.data.map((record: { id: string }) => record.id)).toEqual(ids)
    expect(json.data[0]).toMatchObject({ name: 'key 2', isDeleted: false })
    expect(Object.keys(json.data[0])).not.toContain('key')
    expect(Object.keys(json.data[0])).not.toContain('digest')
  })

  it('gives each key exactly once over its pages, and no empty last page', async () => {
    const ids = await withKeys(6)
    expect(await pages('limit=2')).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)])
    expect(await pages('limit=4')).toEqual([ids.slice(0, 4), ids.slice(4)])
    expect(await pages('limit=6')).toEqual([ids])
  })

  it('leaves deleted keys out unless asked, and fills its pages all the same', async () => {
    const ids = await withKeys(7)
    const gone = [0, 2, 3, 6].map((i) => ids[i] ?? '')
    for (const id of gone) await lister.call('DELETE', `/keys/${id}`)
    const kept = ids.filter((id) => !gone.includes(id))
    expect(await pages('limit=2')).toEqual([kept.slice(0, 2), kept.slice(2)])
    expect((await pages('limit=3')).flat()).toEqual(kept)
    expect(await pages('limit=4&includeDeleted=true')).toEqual([ids.slice(0, 4), ids.slice(4)])
  })

  it('finds a key behind a long run of deleted ones', async () => {
    const ids = await withKeys(25)
    for (const id of ids.slice(0, 24)) await lister.call('DELETE', `/keys/${id}`)
    expect(await pages('limit=1')).toEqual([ids.slice(24)])
  })

  it('looks at ten thousand keys for one page, and sorts no more than these by name', async () => {
    await withKeys(0)
    const { redis } = own.runtime
    const { keyspace } = own.gateway
    const id = (i: number) => `019ac000-0000-7000-8000-${String(i).padStart(12, '0')}`
    for (let first = 0; first < 10_001; first += 1_000) {
      const batch = Array.from({ length: Math.min(1_000, 10_001 - first) }, (_, i) => id(first + i))
      const writes = redis.pipeline()
      for (const keyId of batch) {
        const record = JSON.stringify({
          id: keyId,
          name: keyId,
          tags: [],
          isDeleted: keyId > id(0),
        })
        writes.hset(keyspace.apiKey(keyId), { revision: '1', record })
        writes.set(keyspace.apiKeyDigest(keyId), keyId)
        writes.zadd(keyspace.apiKeyIndex, { score: 0, member: keyId })
      }
      await writes.exec()
    }
    expect(await pages('limit=1')).toEqual([[], [id(0)]])
    const { status, json } = await lister.call('GET', '/keys?sort=name')
    expect([status, json.error.issues[0].field]).toEqual([400, 'sort'])
  })

  describe('with filters', () => {
    let named: Record<string, string> = {}
    const names = async (query: string) => {
      const { status, json } = await lister.call('GET', `/keys?${query}`)
      expect(status, JSON.stringify(json)).toBe(200)
      return json.data.map((record: { name: string }) => record.name)
    }
    beforeEach(async () => {
      await withKeys(0)
      named = {}
      for (const fields of [
        { name: 'Zoe', description: 'Team ALPHA', tags: ['ops', 'eu'] },
        { name: 'adam', permissions: 'codex', tags: ['ops'] },
        { name: 'key 10', isActive: false },
        { name: 'key 2', permissions: 'claude', isActive: false, tags: ['Alpha-x'] },
      ]) {
        nowMs += 1
        named[fields.name] = (await lister.createKey(fields)).id
      }
    })

    it.each([
      ['isActive=true', ['adam', 'Zoe']],
      ['isActive=false', ['key 2', 'key 10']],
      ['permissions=codex', ['adam']],
      ['permissions=all', ['key 10', 'Zoe']],
      ['tag=ops', ['adam', 'Zoe']],
      ['tag=Ops', []],
      ['search=alpha', ['key 2', 'Zoe']],
      ['search=KEY', ['key 2', 'key 10']],
      ['search=%20zOE%20', ['Zoe']],
      ['search=nobody', []],
      ['search=.*', []],
      ['isActive=true&tag=ops&search=team', ['Zoe']],
      ['sort=createdAt', ['Zoe', 'adam', 'key 10', 'key 2']],
      ['sort=-createdAt', ['key 2', 'key 10', 'adam', 'Zoe']],
      ['sort=name', ['adam', 'key 2', 'key 10', 'Zoe']],
      ['sort=-name', ['Zoe', 'key 10', 'key 2', 'adam']],
      ['sort=name&isActive=false', ['key 2', 'key 10']],
      ['tag=__proto__', []],
    ])('?%s finds exactly its keys', async (query, expected) => {
      expect(await names(query)).toEqual(expected)
    })

    it('finds a key by the end of its preview', async () => {
      const { keyPreview } = (await lister.call('GET', `/keys/${named.adam}`)).json
      expect(await names(`search=${keyPreview.slice(-4)}`)).toContain('adam')
    })

    it.each(['sort=name', 'sort=-name', 'sort=createdAt', 'search=a', 'isActive=false'])(
      'goes on after the cursor with ?%s',
      async (query) => {
        const whole = (await pages(query)).flat()
        const found = await pages(`${query}&limit=1`)
        expect(found.flat()).toEqual(whole)
        expect(found).toHaveLength(whole.length)
      },
    )

    it('finds deleted keys only when asked', async () => {
      await lister.call('DELETE', `/keys/${named.adam}`)
      expect(await names('tag=ops')).toEqual(['Zoe'])
      expect(await names('tag=ops&includeDeleted=true&sort=name')).toEqual(['adam', 'Zoe'])
    })

    it('refuses to go on by name after a key that does not exist', async () => {
      const cursor = '019ac000-0000-7000-8000-000000000000'
      const { status, json } = await lister.call('GET', `/keys?sort=name&cursor=${cursor}`)
      expect([status, json.error.issues[0].field]).toEqual([400, 'cursor'])
    })
  })

  it.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=many', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['cursor=abc', 'cursor'],
    ['cursor=%5B-', 'cursor'],
    ['includeDeleted=yes', 'includeDeleted'],
    ['isActive=1', 'isActive'],
    ['permissions=gemini', 'permissions'],
    ['tag=', 'tag'],
    [`search=${'x'.repeat(101)}`, 'search'],
    ['sort=updatedAt', 'sort'],
    ['sort=__proto__', 'sort'],
    ['page=2', 'page'],
    ['__proto__=2', '__proto__'],
  ])('refuses ?%s by name', async (query, field) => {
    await withKeys(0)
    const { status, json } = await lister.call('GET', `/keys?${query}`)
    expect(status).toBe(400)
    expect(json.error.issues).toEqual([{ field, message: expect.any(String) }])
  })
})
