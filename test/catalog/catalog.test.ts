import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Catalog, createCatalog } from '../../src/catalog/catalog.ts'
import { readApiKey } from '../../src/catalog/stored-records.ts'
import { digestApiKey } from '../../src/crypto.ts'
import { createRedis, type Engine } from '../../src/store/redis.ts'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'

let nowMs = Date.UTC(2026, 10, 22)
let test: TestGateway
let admin: TestAdmin
let catalog: Catalog
let roundTrips = 0

beforeAll(() => {
  test = createTestGateway({ now: () => nowMs })
  admin = createTestAdmin(test)
})
afterAll(() => test.close())
beforeEach(() => {
  const engine: Engine = {
    ...test.engine,
    request(request) {
      roundTrips++
      return test.engine.request(request)
    },
  }
  catalog = createCatalog(createRedis(engine), test.gateway.keyspace, () => nowMs)
  roundTrips = 0
})

const unknown = digestApiKey('cr_unknown')

/** The flat rows that a script hands back. */
const rows = async (key: string) => (await test.runtime.redis.hgetall(key)) as unknown as string[]
const keyRows = (digest: string) => rows(test.gateway.keyspace.apiKey(digest))
const poolRows = () => rows(test.gateway.keyspace.pool)

const anyKey = ['revision', '1', 'record', '{"id":"key","name":"key"}']

describe('load', () => {
  it('reads the pool and the key in one round trip', async () => {
    const account = await admin.createAccount({ name: 'first | of "many"' })
    const { id, key } = await admin.createKey()
    const { pool, apiKey } = await catalog.load(digestApiKey(key))
    expect(roundTrips).toBe(1)
    expect(apiKey).toMatchObject({ revision: 1, record: { id, digest: digestApiKey(key) } })
    expect(pool.version).toMatch(/^[1-9]\d{15}$/)
    expect(pool.accounts.get(account.id)).toMatchObject({
      revision: 1,
      record: { id: account.id, platform: 'claude-console', name: 'first | of "many"' },
    })
  })

  it('completes an account that was stored before it could have a quota or a proxy', async () => {
    const { id } = await admin.createAccount({ dailyQuota: 5, quotaResetTime: '08:00' })
    const { pool } = test.gateway.keyspace
    const packed = await test.runtime.redis.hget<string>(pool, `account:${id}`)
    const { dailyQuota, quotaResetTime, proxy, ...older } = JSON.parse(packed?.slice(2) ?? '')
    await test.runtime.redis.hset(pool, { [`account:${id}`]: `1 ${JSON.stringify(older)}` })
    const { record } = (await catalog.loadPool()).accounts.get(id) ?? {}
    expect([dailyQuota, quotaResetTime, proxy]).toEqual([5, '08:00', null])
    expect(record).toEqual({ ...older, dailyQuota: 0, quotaResetTime: '00:00', proxy: null })
  })

  it('finds an empty pool and no key in an empty store', async () => {
    const empty = createTestGateway()
    const { pool, apiKey } = await empty.gateway.catalog.load(unknown)
    expect(pool).toEqual({ version: '0', accounts: new Map() })
    expect(apiKey).toBeUndefined()
    await empty.close()
  })
})

describe('requests that need the same key at the same time', () => {
  it('share one round trip, and those that come during it do not confirm anything by it', async () => {
    const { key } = await admin.createKey()
    const digest = digestApiKey(key)
    const found = await Promise.all([1, 2, 3].map(() => catalog.findApiKey(digest)))
    expect(roundTrips).toBe(1)
    expect(found.map(({ isFresh, isJoined }) => [isFresh, isJoined])).toEqual([
      [true, false],
      [false, true],
      [false, true],
    ])
    expect(found.map(({ snapshot }) => snapshot.apiKey?.record.digest)).toEqual(
      Array(3).fill(digest),
    )
  })

  it.each([
    ['confirm it', () => catalog.confirmApiKey(unknown)],
    ['load it with the pool', () => catalog.load(unknown)],
  ])(
    '%s with reads that begin after they ask, of which one more serves them all',
    async (_, ask) => {
      await Promise.all<unknown>([ask(), ask(), ask(), ask()])
      expect(roundTrips).toBe(2)
    },
  )

  it('fail together, and the next one asks again', async () => {
    const down: Engine = {
      ...test.engine,
      async request(request) {
        roundTrips++
        if (roundTrips === 1) throw new Error('down')
        return test.engine.request(request)
      },
    }
    const other = createCatalog(createRedis(down), test.gateway.keyspace, () => nowMs)
    const ask = () =>
      other.findApiKey(unknown).then(
        () => 'found',
        () => 'failed',
      )
    expect(await Promise.all([ask(), ask()])).toEqual(['failed', 'failed'])
    expect(await ask()).toBe('found')
    expect(roundTrips).toBe(2)
  })

  it('read by themselves where a request must not wait for another', async () => {
    const { runtime, gateway, engine } = test
    const counting: Engine = {
      ...engine,
      request(request) {
        roundTrips++
        return engine.request(request)
      },
    }
    const isolated = createCatalog(
      createRedis(counting),
      gateway.keyspace,
      runtime.monotonicMs,
      undefined,
      undefined,
      false,
    )
    await Promise.all([1, 2, 3].map(() => isolated.findApiKey(unknown)))
    expect(roundTrips).toBe(3)
  })
})

describe('peek', () => {
  it('asks nobody, and cannot tell about what was never loaded', async () => {
    const { key } = await admin.createKey()
    const digest = digestApiKey(key)
    expect(catalog.peek(digest)).toBeUndefined()
    const loaded = await catalog.load(digest)
    expect(catalog.peek(digest)).toEqual(loaded)
    expect(roundTrips).toBe(1)
  })

  it('cannot tell about a key before the pool was loaded', () => {
    const pool = { version: '0', accounts: new Map() }
    const apiKey = ['revision', '1', 'record', '{}']
    catalog.apply({ digest: unknown, pool, apiKey: undefined }, { pool: [], apiKey })
    expect(catalog.peek(unknown)).toBeUndefined()
  })

  it('remembers for one second that a key does not exist', async () => {
    await catalog.load(unknown)
    expect(catalog.peek(unknown)).toMatchObject({ digest: unknown, apiKey: undefined })
    nowMs += 999
    expect(catalog.peek(unknown)).toBeDefined()
    nowMs += 1
    expect(catalog.peek(unknown)).toBeUndefined()
  })

  it('keeps ten thousand keys and as many unknown ones, and forgets the oldest first', async () => {
    const digests = Array.from({ length: 10_001 }, (_, i) => `digest ${i}`)
    const nobody = { pool: { version: '0', accounts: new Map() }, apiKey: undefined }
    await catalog.load(unknown)
    for (const digest of digests) {
      catalog.apply({ digest, ...nobody }, { pool: ['version', '1'], apiKey: anyKey })
    }
    expect(catalog.peek('digest 0')).toBeUndefined()
    expect(catalog.peek('digest 1')).toBeDefined()
    expect(catalog.peek('digest 10000')).toBeDefined()
    expect(catalog.peek(unknown)).toBeDefined()
    for (const digest of digests) catalog.apply({ digest, ...nobody }, { pool: [], apiKey: [] })
    expect(catalog.peek(unknown)).toBeUndefined()
    expect(catalog.peek('digest 0')).toBeUndefined()
    expect(catalog.peek('digest 1')?.apiKey).toBeUndefined()
  })

  it('forgets the keys that were loaded longest ago', async () => {
    const nobody = { pool: { version: '0', accounts: new Map() }, apiKey: undefined }
    const remember = (digest: string) =>
      catalog.apply({ digest, ...nobody }, { pool: ['version', '1'], apiKey: anyKey })
    remember('first')
    remember('second')
    remember('first')
    for (let i = 0; i < 9_999; i++) remember(`digest ${i}`)
    expect(catalog.peek('second')).toBeUndefined()
    expect(catalog.peek('first')).toBeDefined()
  })
})

describe('apply', () => {
  it('takes over a changed key and leaves the pool as it was', async () => {
    const { id, key } = await admin.createKey()
    const digest = digestApiKey(key)
    const before = await catalog.load(digest)
    await admin.call('DELETE', `/keys/${id}`)
    const after = catalog.apply(before, { pool: [], apiKey: await keyRows(digest) })
    expect(after.apiKey).toMatchObject({ revision: 2, record: { isDeleted: true } })
    expect(after.pool).toBe(before.pool)
    expect(catalog.peek(digest)).toEqual(after)
    expect(roundTrips).toBe(1)
  })

  it('takes over a changed pool, for every key', async () => {
    const { key } = await admin.createKey()
    const other = digestApiKey((await admin.createKey()).key)
    const before = await catalog.load(digestApiKey(key))
    await catalog.load(other)
    const { id } = await admin.createAccount()
    const after = catalog.apply(before, { pool: await poolRows(), apiKey: [] })
    expect(after.pool.accounts.has(id)).toBe(true)
    expect(after.apiKey).toEqual(before.apiKey)
    expect(catalog.peek(other)?.pool).toBe(after.pool)
  })
})

describe('the version of the pool', () => {
  it('grows with every write of an account, and with no write of a key', async () => {
    const version = async () => Number((await catalog.loadPool()).version)
    const first = await version()
    const { id } = await admin.createAccount()
    const second = await version()
    expect(second).toBeGreaterThan(first)
    const key = await admin.createKey()
    await admin.call('DELETE', `/keys/${key.id}`)
    expect(await version()).toBe(second)
    await admin.call('DELETE', `/accounts/claude-console/${id}`)
    expect(await version()).toBeGreaterThan(second)
  })
})

describe('rows', () => {
  it('of a key that is not there are no key', () => {
    expect(readApiKey([])).toBeUndefined()
    expect(readApiKey(['revision', '3'])).toBeUndefined()
  })

  it('of the pool may hold fields that are no account', async () => {
    await test.runtime.redis.hset(test.gateway.keyspace.pool, { settings: '1 {}' })
    const { accounts } = await catalog.loadPool()
    expect([...accounts.values()].every(({ record }) => record.platform)).toBe(true)
  })

  const damage = [
    '',
    ' ',
    'no revision',
    '1 {"id"',
    '1 null',
    '1 []',
    '1 {}',
    '{} {}',
    ...[
      'id',
      'platform',
      'priority',
      'supportedModels',
      'quotaResetTime',
      'dailyQuota',
      'proxy',
    ].map((field) => ({ field })),
  ]

  it.each(damage)('of a damaged account keep no other from being read: %j', async (damaged) => {
    const { pool } = test.gateway.keyspace
    const { redis } = test.runtime
    const [one, other] = [await admin.createAccount(), await admin.createAccount()]
    const whole = (await redis.hget<string>(pool, `account:${one.id}`)) ?? ''
    const record = JSON.parse(whole.slice(whole.indexOf(' ')))
    const row =
      typeof damaged === 'string'
        ? damaged
        : `1 ${JSON.stringify({ ...record, [damaged.field]: damaged.field === 'id' ? other.id : { a: 1 } })}`
    await redis.hset(pool, { [`account:${one.id}`]: row })
    const unreadable: string[] = []
    const reader = createCatalog(
      redis,
      test.gateway.keyspace,
      () => nowMs,
      undefined,
      (id) => unreadable.push(id),
    )
    const { accounts } = await reader.loadPool()
    expect(accounts.has(one.id)).toBe(false)
    expect(accounts.get(other.id)?.record.id).toBe(other.id)
    expect(unreadable).toEqual([one.id])
    await redis.hdel(pool, `account:${one.id}`)
  })

  it.each([
    '',
    'null',
    '{"id":"x"',
    '{"id":"x","name":"x","dailyCostLimit":"much"}',
    '{"id":"x","name":"x","restrictedModels":5}',
  ])('of a damaged key are no key: %j', (record) => {
    expect(readApiKey(['revision', '1', 'record', record])).toBeUndefined()
    expect(readApiKey(['revision', 'one', 'record', '{"id":"x","name":"x"}'])).toBeUndefined()
  })
})
