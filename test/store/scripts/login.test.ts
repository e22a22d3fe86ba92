/** The contract of the scripts behind logins, on every store. */
import { expect, it } from 'vitest'
import {
  beginLoginScript,
  type LoginCounters,
  succeedLoginScript,
  takeBackLoginScript,
} from '../../../src/store/scripts/login.ts'
import { replacePasswordScript } from '../../../src/store/scripts/password.ts'
import { describeOnStores } from './setup.ts'

describeOnStores('counting logins', (bench) => {
  const counters = () => ({
    name: bench().keyspace.failedLogins('name', 'n'),
    address: bench().keyspace.failedLogins('address', 'a'),
  })
  const keys = () => Object.values(counters())
  const beginWhole = (given: LoginCounters = counters()) =>
    beginLoginScript(bench().redis, bench().keyspace, given)
  const begin = async (given?: LoginCounters) => (await beginWhole(given)).waitMs
  const succeed = () => succeedLoginScript(bench().redis, bench().keyspace, counters())
  const beginTimes = async (times: number) => {
    for (let count = 0; count < times; count++) expect(await begin()).toBe(0)
  }

  it('lets five through, then makes each wait twice as long, fifteen minutes at most', async () => {
    await beginTimes(5)
    const waits: number[] = []
    for (let count = 0; count < 12; count++) {
      const waitMs = await begin()
      waits.push(waitMs)
      await bench().advance(waitMs)
      expect(await begin()).toBe(0)
    }
    const expected = [...Array.from({ length: 10 }, (_, index) => 1_000 * 2 ** index)]
    expect(waits).toEqual([...expected, 900_000, 900_000])
  })

  it('a refused attempt counts nothing', async () => {
    await beginTimes(5)
    for (let count = 0; count < 10; count++) expect(await begin()).toBe(1_000)
  })

  it('waits for whichever counter says so', async () => {
    const { name, address } = counters()
    const other = bench().keyspace.failedLogins('name', 'other')
    for (let count = 0; count < 5; count++) await begin({ name: other, address })
    expect(await begin({ name, address: undefined })).toBe(0)
    expect(await begin({ name, address })).toBe(1_000)
  })

  it('a success clears the first counter, and takes one back from the other', async () => {
    const { name, address } = counters()
    await beginTimes(5)
    await succeed()
    expect(await bench().redis.exists(name)).toBe(0)
    expect(await bench().redis.hget(address, 'failures')).toBe('4')
    expect(await begin()).toBe(0)
  })

  it('a success leaves nothing of a counter that was never needed or has expired', async () => {
    await succeed()
    await begin()
    await succeed()
    expect(await bench().redis.exists(...keys())).toBe(0)
  })

  it('an attempt that is taken back was none', async () => {
    const takeBack = (begun: Awaited<ReturnType<typeof beginWhole>>) =>
      takeBackLoginScript(bench().redis, bench().keyspace, counters(), begun)
    await takeBack(await beginWhole())
    expect(await bench().redis.exists(...keys())).toBe(0)
    await beginTimes(4)
    await takeBack(await beginWhole())
    const last = await beginWhole()
    expect(last.waitMs).toBe(0)
    expect(await begin()).toBe(1_000)
    await bench().advance(1_000)
    const taken = await beginWhole()
    expect(await begin()).toBe(2_000)
    await takeBack(taken)
    expect(await begin()).toBe(0)
    expect(await begin()).toBe(2_000)
    // Too late: another attempt was made meanwhile, and its wait stays.
    await takeBack(last)
    expect(await begin()).toBe(2_000)
  })

  it.each(['x', '', 'inf', '1e99', '9'.repeat(300), '{}'])(
    'a damaged counter counts as none, and makes nobody wait for long: %s',
    async (text) => {
      const { name, address } = counters()
      for (const key of [name, address]) {
        await bench().redis.hset(key, { failures: text, untilMs: text })
      }
      await beginTimes(5)
      expect(await begin()).toBe(1_000)
      await succeed()
      expect(await begin()).toBe(0)
      await bench().redis.hset(name, { untilMs: '9'.repeat(16) })
      expect(await begin()).toBe(900_000)
    },
  )

  it('forgets a counter by itself', async () => {
    await begin()
    for (const key of keys()) {
      const lifeMs = await bench().redis.pttl(key)
      expect(lifeMs).toBeGreaterThan(3_590_000)
      expect(lifeMs).toBeLessThanOrEqual(3_600_000)
    }
  })
})

describeOnStores('replacing a password', (bench) => {
  const replace = (expectedHash: string, hash: string, entry?: string) =>
    replacePasswordScript(bench().redis, bench().keyspace, {
      username: 'ada',
      expectedHash,
      hash,
      updatedAt: 'now',
      entry,
    })
  const trail = () => bench().redis.zrange(bench().keyspace.audit, 0, -1)

  it('ends the sessions before it, each time, and leaves its entry', async () => {
    const { redis, keyspace, nowMs } = bench()
    await redis.hset(keyspace.admin('ada'), { passwordHash: 'one' })
    const first = await replace('one', 'two', '1 {}')
    const second = await replace('two', 'three', '2 {}')
    expect([first, second]).toEqual([nowMs(), nowMs() + 1])
    expect(await redis.hget(keyspace.admin('ada'), 'tokensValidAfterMs')).toBe(String(second))
    expect(await trail()).toEqual(['1 {}', '2 {}'])
  })

  it('without an entry changes the hash alone', async () => {
    const { redis, keyspace } = bench()
    await redis.hset(keyspace.admin('ada'), { passwordHash: 'one' })
    expect(await replace('one', 'two')).toBe(0)
    expect(await redis.hget(keyspace.admin('ada'), 'tokensValidAfterMs')).toBeNull()
    expect(await redis.hget(keyspace.admin('ada'), 'passwordHash')).toBe('two')
    expect(await trail()).toEqual([])
  })

  it('of another hash, or of nobody, changes and records nothing', async () => {
    const { redis, keyspace } = bench()
    expect(await replace('one', 'two', '1 {}')).toBe('conflict')
    expect(await redis.exists(keyspace.admin('ada'))).toBe(0)
    expect(await trail()).toEqual([])
  })
})
