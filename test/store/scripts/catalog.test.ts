/** The contract of catalog writes: no edit is lost, and every edit is seen. */
import { expect, it } from 'vitest'
import {
  createApiKeysScript,
  rotateApiKeyScript,
  updateApiKeyScript,
  writeAccountScript,
} from '../../../src/store/scripts/catalog.ts'
import { resetHealthScript } from '../../../src/store/scripts/reset-health.ts'
import { describeOnStores, failed, poolId, row } from './setup.ts'

describeOnStores('writing an account', (bench) => {
  const write = (expectedRevision: number, record: string | undefined) =>
    writeAccountScript(bench().redis, bench().keyspace, {
      accountId: 'a',
      expectedRevision,
      record,
    }).then(({ kind }) => kind)
  const field = (name: string) => bench().redis.hget(bench().keyspace.pool, name)

  it('creates, replaces and removes it, counting its revision', async () => {
    expect(await write(0, '{"n":1}')).toBe('ok')
    expect(await field('account:a')).toBe('1 {"n":1}')
    expect(await write(1, '{"n":2}')).toBe('ok')
    expect(await field('account:a')).toBe('2 {"n":2}')
    expect(await write(2, undefined)).toBe('ok')
    expect(await field('account:a')).toBeNull()
  })

  it('answers conflict to an edit of another revision, and leaves the version alone', async () => {
    await write(0, '{}')
    const version = await field('version')
    for (const [revision, record] of [
      [0, '{}'],
      [2, '{}'],
      [0, undefined],
    ] as const)
      expect(await write(revision, record)).toBe('conflict')
    expect([await field('version'), await field('account:a')]).toEqual([version, '1 {}'])
  })

  it('gives the pool a version that only grows, even when the clock does not', async () => {
    const { advance, nowMs } = bench()
    const versions: number[] = []
    for (const [revision, stepMs] of [0, 0, 5, -60_000].entries()) {
      advance(stepMs)
      await write(revision, '{}')
      versions.push(Number(await field('version')))
    }
    advance(60_000)
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b))
    expect(versions[0]).toBeGreaterThanOrEqual((nowMs() - 5) * 1_000)
  })
})

describeOnStores('writing an API key', (bench) => {
  const create = (keyId: string, digest: string) =>
    createApiKeysScript(bench().redis, bench().keyspace, [{ keyId, digest, record: '{"n":1}' }])
  const update = (expectedRevision: number, digest = 'digest') =>
    updateApiKeyScript(bench().redis, bench().keyspace, {
      keyId: 'key',
      digest,
      expectedRevision,
      record: '{"n":2}',
    })
  const stored = (digest: string) => bench().hash(bench().keyspace.apiKey(digest))

  it('creates it at revision 1, findable by digest, by id and in the index', async () => {
    const { redis, keyspace } = bench()
    expect(await create('key', 'digest')).toBe('ok')
    expect(await stored('digest')).toEqual({ revision: '1', record: '{"n":1}' })
    expect(await redis.get(keyspace.apiKeyDigest('key'))).toBe('digest')
    expect(await redis.zrange(keyspace.apiKeyIndex, 0, -1)).toEqual(['key'])
  })

  it('answers conflict to a digest or an id that exists', async () => {
    await create('key', 'digest')
    expect(await create('other', 'digest')).toBe('conflict')
    expect(await create('key', 'other')).toBe('conflict')
  })

  it('replaces the record that is still at the expected revision', async () => {
    await create('key', 'digest')
    expect(await update(1)).toBe('ok')
    expect(await update(1)).toBe('conflict')
    expect(await stored('digest')).toEqual({ revision: '2', record: '{"n":2}' })
  })

  it('creates many keys, or none when one of them exists', async () => {
    const { redis, keyspace } = bench()
    const many = (ids: string[]) =>
      createApiKeysScript(
        redis,
        keyspace,
        ids.map((id) => ({ keyId: id, digest: `d-${id}`, record: `{"id":"${id}"}`, entry: id })),
      )
    expect(await many(['b', 'a'])).toBe('ok')
    expect(await stored('d-a')).toEqual({ revision: '1', record: '{"id":"a"}' })
    expect(await redis.get(keyspace.apiKeyDigest('b'))).toBe('d-b')
    expect(await many(['c', 'a'])).toBe('conflict')
    expect(await redis.zrange(keyspace.apiKeyIndex, 0, -1)).toEqual(['a', 'b'])
    expect(await redis.zrange(keyspace.audit, 0, -1)).toEqual(['a', 'b'])
    expect(await stored('d-c')).toEqual({})
  })

  it('moves a key to another digest and counts its revision on', async () => {
    const { redis, keyspace } = bench()
    const rotate = (expectedRevision: number, oldDigest: string, digest: string) =>
      rotateApiKeyScript(redis, keyspace, {
        keyId: 'key',
        oldDigest,
        digest,
        expectedRevision,
        record: '{"n":3}',
        entry: digest,
      })
    await create('key', 'old')
    await create('other', 'taken')
    expect(await rotate(2, 'old', 'new')).toBe('conflict')
    expect(await rotate(1, 'old', 'taken')).toBe('conflict')
    expect(await rotate(1, 'missing', 'new')).toBe('conflict')
    expect(await rotate(1, 'old', 'new')).toBe('ok')
    expect(await stored('old')).toEqual({})
    expect(await stored('new')).toEqual({ revision: '2', record: '{"n":3}' })
    expect(await redis.get(keyspace.apiKeyDigest('key'))).toBe('new')
    expect(await redis.zrange(keyspace.audit, 0, -1)).toEqual(['new'])
  })

  it('does not create a key by updating one that does not exist', async () => {
    expect(await update(0, 'missing')).toBe('conflict')
    expect(await update(1, 'missing')).toBe('conflict')
    expect(await stored('missing')).toEqual({})
  })
})

describeOnStores('a catalog write', (bench) => {
  it('records itself in the trail exactly when it is made', async () => {
    const { redis, keyspace } = bench()
    const trail = () => redis.zrange(keyspace.audit, 0, -1)
    const account = { accountId: 'a', record: '{}' }
    await writeAccountScript(redis, keyspace, { ...account, expectedRevision: 0, entry: '1' })
    await writeAccountScript(redis, keyspace, { ...account, expectedRevision: 0, entry: '2' })
    expect(await trail()).toEqual(['1'])
    const key = { keyId: 'key', digest: 'digest', record: '{}' }
    await createApiKeysScript(redis, keyspace, [{ ...key, entry: '3' }])
    await updateApiKeyScript(redis, keyspace, { ...key, expectedRevision: 1, entry: '4' })
    await updateApiKeyScript(redis, keyspace, { ...key, expectedRevision: 1, entry: '5' })
    expect(await trail()).toEqual(['1', '3', '4'])
  })

  it('forgets the health of one account, and records that only where there was any', async () => {
    const { redis, keyspace, nowMs } = bench()
    const pool = 'codex'
    const reset = async (entry: string) => {
      const families = ['opus', 'other']
      const input = { poolId: pool, accountId: 'a', families, entry }
      return (await resetHealthScript(redis, keyspace, input)).kind
    }
    const record = '1|1|1|overloaded'
    const others = { b: record, 'ab/opus': record }
    const records = { a: record, 'a/opus': record, 'a/glm': record, ...others }
    await redis.hset(keyspace.health(pool), records)
    expect([await reset('1'), await reset('2')]).toEqual(['ok', 'healthy'])
    const ended = `ended|${nowMs()}`
    expect(row(await redis.hgetall(keyspace.health(pool)))).toEqual({
      ...{ a: ended, 'a/opus': ended, 'a/glm': ended, 'a/other': ended },
      ...others,
    })
    expect(await redis.zrange(keyspace.audit, 0, -1)).toEqual(['1'])
  })

  it('of a mended credential ends the cooldowns with it, and an attempt with the old one starts none', async () => {
    const { redis, keyspace, admit, settle, health, advance } = bench()
    const write = (expectedRevision: number, recoveredIn?: string) =>
      writeAccountScript(redis, keyspace, {
        accountId: 'a',
        expectedRevision,
        record: '{}',
        recoveredIn,
      })
    await write(0)
    const refused = failed({ reason: 'account_refused' })
    const poolVersion = async () => ({
      poolVersion: String(await redis.hget(keyspace.pool, 'version')),
    })
    for (const name of ['one', 'two']) await admit(name, await poolVersion())
    advance(10)
    await settle('one', { verdict: refused })
    expect(await write(0, poolId)).toEqual({ kind: 'conflict' })
    expect(await health()).toHaveProperty('a')
    const recovered = { change: 'recovered', accountId: 'a', family: '', reason: 'account_refused' }
    expect(await write(1, poolId)).toMatchObject({ kind: 'ok', healthChanges: [recovered] })
    expect(await health()).toEqual({})
    advance(10)
    await settle('two', { verdict: refused })
    expect(await health()).toEqual({})
  })
})
