/** The contract of affinity: where a session is at home, when it returns, and what binds it for good. */
import { expect, it } from 'vitest'
import { accounts, describeOnStores, failed, poolId } from './setup.ts'

const warmMs = 60_000
const sessionKey = 'session'
const both = { sessionKey, candidates: accounts('a', 'b') }
const day = 24 * 60 * 60 * 1_000

describeOnStores('a session', (bench) => {
  it('stays with the account that serves it, whatever its priority and load', async () => {
    const { admit, redis, keyspace } = bench()
    expect(await admit('one', { sessionKey, candidates: accounts('b') })).toMatchObject({
      affinity: 'started',
    })
    const candidates = accounts({ accountId: 'a', priority: 1 }, 'b')
    const second = await admit('two', { sessionKey, candidates })
    expect(second).toMatchObject({ accountId: 'b', affinity: 'primary' })
    const another = await admit('other', { candidates })
    expect(another).toMatchObject({ accountId: 'a', affinity: 'none' })
    const ttlMs = await redis.pttl(keyspace.sticky(poolId, 'key', sessionKey))
    expect(ttlMs).toBeGreaterThan(14 * day)
  })

  it('that has to leave its account stays in the organisation of that, if it can', async () => {
    const { admit, reassign, settle, advance } = bench()
    const candidates = accounts(
      { accountId: 'a', organisation: 1, priority: 20 },
      { accountId: 'b', priority: 1 },
      { accountId: 'c', organisation: 2, priority: 1 },
      { accountId: 'd', organisation: 1, priority: 30 },
      { accountId: 'e', organisation: 1, priority: 25 },
    )
    const plan = { sessionKey, candidates }
    await admit('one', { sessionKey, candidates: candidates.slice(0, 1) })
    expect(await admit('two', plan)).toMatchObject({ accountId: 'a' })
    advance(10)
    const others = { candidates: candidates.slice(1), organisation: 1 }
    expect(await reassign('one', { sessionKey, ...others })).toMatchObject({ accountId: 'e' })
    expect(await admit('three', plan)).toMatchObject({ accountId: 'e', affinity: 'fallback' })
    await settle('one', { accountId: 'e', verdict: failed() })
    await settle('two')
    expect(await admit('four', plan)).toMatchObject({ accountId: 'd', affinity: 'moved' })
    expect(await admit('of no session', { candidates })).toMatchObject({ accountId: 'b' })
    advance(10)
    const moved = await reassign('of no session', { ...others, candidates: candidates.slice(2) })
    expect(moved).toMatchObject({ accountId: 'c' })
  })

  it('is kept for a day until a request follows one that was served', async () => {
    const { admit, reassign, settle, redis, keyspace, advance } = bench()
    const ttlMs = () => redis.pttl(keyspace.sticky(poolId, 'key', sessionKey))
    await admit('one', both)
    expect(await ttlMs()).toBeLessThanOrEqual(day)
    advance(10)
    await reassign('one', { ...both, candidates: accounts('b') })
    expect(await ttlMs()).toBeLessThanOrEqual(day)
    advance(10)
    await reassign('one', { ...both, generation: 2, candidates: [] })
    expect(await ttlMs()).toBeLessThanOrEqual(day)
    await settle('one', { kind: 'void', accountId: 'b' })
    advance(5_000)
    await admit('two', both)
    expect(await ttlMs()).toBeLessThanOrEqual(day)
    await admit('three', both)
    expect(await ttlMs()).toBeGreaterThan(14 * day)
  })

  it('of another key or poolId is another session', async () => {
    const { admit } = bench()
    await admit('one', { sessionKey, candidates: accounts('b') })
    for (const other of [{ keyId: 'other' }, { poolId: 'codex' }]) {
      const reply = await admit(JSON.stringify(other), { ...both, ...other })
      expect(reply).toMatchObject({ accountId: 'a', affinity: 'started' })
    }
  })

  it('leaves at once an account that rests, and returns while its cache is warm', async () => {
    const { admit, settle, advance } = bench()
    await admit('one', both)
    advance(10)
    await settle('one', { verdict: failed({ cooldownMs: 2_000 }) })
    expect(await admit('two', both)).toMatchObject({ accountId: 'b', affinity: 'moved' })
    expect(await admit('three', both)).toMatchObject({ accountId: 'b', affinity: 'fallback' })
    advance(2_000)
    expect(await admit('four', both)).toMatchObject({ accountId: 'a', affinity: 'returned' })
  })

  it('is at home where it is, once the cache it came from is cold', async () => {
    const { admit, settle, advance } = bench()
    await admit('one', both)
    advance(10)
    await settle('one', { verdict: failed({ untilMs: bench().nowMs() + warmMs }) })
    expect(await admit('two', both)).toMatchObject({ accountId: 'b', affinity: 'moved' })
    advance(warmMs + 1)
    expect(await admit('three', both)).toMatchObject({ accountId: 'b', affinity: 'fallback' })
    expect(await admit('four', both)).toMatchObject({ accountId: 'b', affinity: 'primary' })
  })

  it('leaves an account that is full, and returns when it is not', async () => {
    const { admit, settle } = bench()
    const candidates = accounts({ accountId: 'a', maxConcurrency: 1 }, 'b')
    await admit('one', { sessionKey, candidates })
    expect(await admit('two', { sessionKey, candidates })).toMatchObject({ affinity: 'moved' })
    await settle('one')
    expect(await admit('three', { sessionKey, candidates })).toMatchObject({
      accountId: 'a',
      affinity: 'returned',
    })
  })

  it('counts from when its home last served: an attempt that failed there warms nothing', async () => {
    const { admit, reassign, settle, advance } = bench()
    await admit('served', both)
    await settle('served', { verdict: 'success' })
    advance(warmMs - 1_000)
    await admit('failing', both)
    const moved = await reassign('failing', { sessionKey, candidates: accounts('b') })
    expect(moved).toMatchObject({ accountId: 'b', affinity: 'moved' })
    advance(2_000)
    expect(await admit('next', both)).toMatchObject({ accountId: 'b', affinity: 'fallback' })
  })

  it('is not at home with an account that only failed it, with nobody to follow', async () => {
    const { admit, reassign, advance } = bench()
    const all = accounts({ accountId: 'a', priority: 1 }, 'b')
    await admit('one', { sessionKey, candidates: all })
    advance(1)
    await reassign('one', { sessionKey, candidates: accounts('b') })
    advance(1)
    expect(await reassign('one', { sessionKey, generation: 2, candidates: [] })).toMatchObject({
      kind: 'none',
    })
    advance(10_000)
    expect(await admit('two', { sessionKey, candidates: all })).toMatchObject({ accountId: 'a' })
  })

  it('keeps the home that served it, when all have failed it since', async () => {
    const { admit, reassign, settle, advance, redis, keyspace } = bench()
    await admit('served', both)
    await settle('served', { verdict: 'success' })
    const record = await redis.get(keyspace.sticky(poolId, 'key', sessionKey))
    advance(1_000)
    await admit('failing', both)
    advance(1)
    await reassign('failing', { sessionKey, candidates: accounts('b') })
    advance(1)
    await reassign('failing', { sessionKey, generation: 2, candidates: [] })
    const left = await redis.get(keyspace.sticky(poolId, 'key', sessionKey))
    const stay = (packed: unknown) => {
      const [home, servedMs, , current] = String(packed).split('|')
      return { home, servedMs, current }
    }
    expect(stay(left)).toEqual(stay(record))
    advance(10_000)
    expect(await admit('next', both)).toMatchObject({ accountId: 'a', affinity: 'primary' })
  })

  it('whose requests fail together moves to one and the same account', async () => {
    const { admit, reassign } = bench()
    const three = accounts('b', 'c')
    await admit('one', { sessionKey, candidates: accounts('a', 'b', 'c') })
    await admit('two', { sessionKey, candidates: accounts('a', 'b', 'c') })
    const first = await reassign('one', { sessionKey, candidates: three })
    const second = await reassign('two', { sessionKey, candidates: three })
    expect(first).toMatchObject({ accountId: 'b', affinity: 'moved' })
    expect(second).toMatchObject({ accountId: 'b', affinity: 'fallback' })
  })

  it('counts its moves', async () => {
    const { admit, settle, advance, redis, keyspace } = bench()
    await admit('one', both)
    advance(1)
    await settle('one', { verdict: failed() })
    await admit('two', both)
    advance(5_000)
    await admit('three', both)
    const record = String(await redis.get(keyspace.sticky(poolId, 'key', sessionKey)))
    expect(record.split('|').at(-1)).toBe('2')
  })
})

describeOnStores('an id that only one account knows', (bench) => {
  it('brings the request to the account that issued it, against session and priority', async () => {
    const { admit, settle } = bench()
    await admit('one', { sessionKey, candidates: accounts('b') })
    await settle('one', { accountId: 'b', issuedAffinities: ['digest'] })
    const candidates = accounts({ accountId: 'a', priority: 1 }, 'b')
    const reply = await admit('two', { affinityDigest: 'digest', candidates })
    expect(reply).toMatchObject({ accountId: 'b', affinity: 'required' })
  })

  it('waits for its account rather than going to one that cannot serve it', async () => {
    const { admit, settle, nowMs } = bench()
    await admit('one', { candidates: accounts('b') })
    const untilMs = nowMs() + 9_000
    await settle('one', {
      accountId: 'b',
      issuedAffinities: ['digest'],
      verdict: failed({ untilMs }),
    })
    const candidates = accounts('a', 'b')
    const none = await admit('two', { affinityDigest: 'digest', candidates })
    const wait = { kind: 'none', cooling: 1, soonestMs: untilMs, isRequired: true }
    expect(none).toMatchObject(wait)
    expect(await admit('three', { candidates })).toMatchObject({ accountId: 'a' })
  })

  it('binds nothing when it is unknown, or of another key', async () => {
    const { admit, settle } = bench()
    await admit('one', { candidates: accounts('b') })
    await settle('one', { accountId: 'b', issuedAffinities: ['digest'] })
    const free = { kind: 'ok', accountId: 'a' }
    const candidates = accounts({ accountId: 'a', priority: 1 }, 'b')
    expect(await admit('2', { affinityDigest: 'unknown', candidates })).toMatchObject(free)
    const other = { affinityDigest: 'digest', keyId: 'other', candidates }
    expect(await admit('3', other)).toMatchObject(free)
  })

  it('is refused at once when its account is gone, and counts nothing', async () => {
    const { admit, settle, counters } = bench()
    await admit('one', { candidates: accounts('b') })
    await settle('one', { accountId: 'b', issuedAffinities: ['digest'] })
    const given = { affinityDigest: 'digest', candidates: accounts('a') }
    const before = await counters()
    const limits = { concurrencyLimit: 1 }
    expect(await admit('2', { ...given, limits })).toEqual({ kind: 'issuerGone', accountId: 'b' })
    expect(await counters()).toEqual(before)
  })
})

describeOnStores('content that was encrypted for one account', (bench) => {
  const sessionKey = 'session'
  const bound = { sessionKey, hasBoundContent: true }

  it('brings the request to the account that serves its session, which is waited for', async () => {
    const { admit, settle, nowMs } = bench()
    const candidates = accounts({ accountId: 'a', priority: 1 }, 'b')
    await admit('one', { sessionKey, candidates: accounts('b') })
    const untilMs = nowMs() + 9_000
    await settle('one', { accountId: 'b', verdict: 'success' })
    const reply = await admit('two', { ...bound, candidates })
    expect(reply).toMatchObject({ accountId: 'b', affinity: 'required' })
    await settle('two', { accountId: 'b', verdict: failed({ untilMs }) })
    const none = await admit('three', { ...bound, candidates })
    expect(none).toMatchObject({ kind: 'none', isRequired: true })
    expect(await admit('four', { sessionKey, candidates })).toMatchObject({ accountId: 'a' })
    expect(await admit('five', { ...bound, candidates })).toMatchObject({ accountId: 'a' })
  })

  it('is refused at once when that account is gone', async () => {
    const { admit, settle } = bench()
    await admit('one', { sessionKey, candidates: accounts('b') })
    await settle('one', { accountId: 'b', verdict: 'success' })
    const gone = await admit('two', { ...bound, candidates: accounts('a') })
    expect(gone).toEqual({ kind: 'issuerGone', accountId: 'b' })
  })

  it('binds nothing where no account is known to have served its session', async () => {
    const { admit } = bench()
    const candidates = accounts('a')
    expect(await admit('one', { ...bound, candidates })).toMatchObject({ affinity: 'started' })
    const without = { hasBoundContent: true, candidates }
    expect(await admit('two', without)).toMatchObject({ kind: 'ok', affinity: 'none' })
  })
})
