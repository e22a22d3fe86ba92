import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packAuditEntry } from '../../src/admin/audit/entry.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'

let nowMs = Date.UTC(2026, 10, 22, 10, 20)
let test: TestGateway
let admin: ReturnType<typeof createTestAdmin>

const total = 4_600

beforeAll(async () => {
  test = createTestGateway({ now: () => nowMs })
  admin = createTestAdmin(test)
  for (let index = 0; index < total; index++) {
    nowMs += 1
    const change = {
      actor: index % 2 === 0 ? 'ada' : 'bob',
      action: index % 3 === 0 ? 'api_key.created' : 'api_key.updated',
      targetId: index === 0 ? 'rare' : `key-${index % 5}`,
      before: null,
      after: { index },
    }
    const entry = packAuditEntry(test.gateway, change)
    await test.runtime.redis.zadd(test.gateway.keyspace.audit, { score: 0, member: entry })
  }
})
afterAll(() => test.close())

const get = async (query: string) => (await admin.call('GET', `/audit?${query}`)).json
const indices = (page: { data: { after: { index: number } }[] }) =>
  page.data.map((entry) => entry.after.index)

/** Follows the cursor to the end; every page but the last may be asked for. */
async function all(query: string): Promise<number[]> {
  const found: number[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Parameters<typeof indices>[0] & { nextCursor: string | null } = await get(
      `limit=100&${query}${cursor && `&cursor=${cursor}`}`,
    )
    found.push(...indices(page))
    cursor = page.nextCursor
  }
  return found
}

describe('GET /audit', () => {
  it('lists the trail newest first, page by page', async () => {
    const first = await get('limit=3')
    expect(indices(first)).toEqual([total - 1, total - 2, total - 3])
    expect(first.data[0]).toEqual({
      id: expect.any(String),
      at: new Date(nowMs).toISOString(),
      actor: 'bob',
      action: expect.stringMatching(/^api_key\./),
      targetId: expect.stringMatching(/^key-\d$/),
      before: null,
      after: { index: total - 1 },
    })
    const next = await get(`limit=2&cursor=${first.nextCursor}`)
    expect(indices(next)).toEqual([total - 4, total - 5])
  })

  it.each<[string, (index: number) => boolean]>([
    ['actor=ada', (index) => index % 2 === 0],
    ['action=api_key.created', (index) => index % 3 === 0],
    ['targetId=key-2&actor=bob', (index) => index !== 0 && index % 5 === 2 && index % 2 === 1],
  ])('with %s lists every entry that fits, once, and no other', async (query, fits) => {
    const expected = Array.from({ length: total }, (_, index) => index).filter(fits)
    expect(await all(query)).toEqual(expected.reverse())
  })

  it('says that more follow only while there are more', async () => {
    const fitting = 'actor=ada&action=api_key.created&targetId=rare'
    const first = await get(fitting)
    // The one match is the oldest entry: the first page gave up looking before it.
    expect(first.data).toEqual([])
    expect(first.nextCursor).not.toBeNull()
    const last = await get(`${fitting}&cursor=${first.nextCursor}`)
    expect([indices(last), last.nextCursor]).toEqual([[0], null])
    expect(await get('actor=nobody').then(({ data }) => data)).toEqual([])
  })

  it('names no cursor after a page that the last match fills', async () => {
    const { nextCursor } = await get('limit=1&targetId=rare')
    const page = await get(`limit=1&targetId=rare&cursor=${nextCursor}`)
    expect([indices(page), page.nextCursor]).toEqual([[0], null])
    const past = await get('actor=bob&cursor=00000000-0000-7000-8000-000000000000')
    expect(past).toEqual({ data: [], nextCursor: null })
  })

  it.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['cursor=nonsense', 'cursor'],
    ['actor=', 'actor'],
    [`targetId=${'x'.repeat(101)}`, 'targetId'],
    ['colour=red', 'colour'],
  ])('refuses %s by the name of the field', async (query, field) => {
    const { error } = await get(query)
    expect([error.code, error.issues[0].field]).toEqual(['invalid_request', field])
  })
})
