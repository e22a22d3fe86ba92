/** The contract of the roster: naming candidates by their places means the same as writing them out. */
import { expect, it } from 'vitest'
import type { Candidate } from '../../../src/domain/candidate.ts'
import { createRoster } from '../../../src/store/lua/candidates.ts'
import { writeAccountScript } from '../../../src/store/scripts/catalog.ts'
import { writeRosterScript } from '../../../src/store/scripts/roster.ts'
import { accounts, type Bench, describeOnStores, failed, row } from './setup.ts'

/** Writes an account, so that the pool has a version, and its roster. */
async function keep({ redis, keyspace }: Bench, all: Candidate[]) {
  await writeAccountScript(redis, keyspace, { accountId: 'x', expectedRevision: 0, record: '{}' })
  const poolVersion = String(await redis.hget(keyspace.pool, 'version'))
  const roster = createRoster(poolVersion, all)
  return {
    poolVersion,
    roster,
    isKept: await writeRosterScript(redis, keyspace, { poolVersion, roster }),
  }
}

describeOnStores('candidates that are named by their places', (bench) => {
  const all = accounts(
    { accountId: 'a', priority: 1, maxConcurrency: 1 },
    { accountId: 'b', priority: 2, quotaNanoUsd: 100 },
    { accountId: 'no candidate', priority: 1 },
    { accountId: 'c', priority: 3, family: 'haiku' },
  )
  const candidates = all.filter(({ accountId }) => accountId !== 'no candidate')

  it.each([true, false])('are chosen from in the same way: %s', async (isNamed) => {
    const b = bench()
    const { poolVersion, roster, isKept } = await keep(b, all)
    expect(isKept).toBe(true)
    const given = { poolVersion, candidates, roster: isNamed ? roster : undefined }
    const reservationNanoUsd = 100
    const replies: unknown[] = []
    for (let i = 0; i < 4; i++)
      replies.push(await b.admit(`${i}`, { ...given, reservationNanoUsd }))
    expect(replies).toMatchObject([
      { accountId: 'a', skipped: [] },
      { accountId: 'b', skipped: [{ accountId: 'a', why: 'at_capacity' }] },
      {
        accountId: 'c',
        skipped: [{ why: 'at_capacity' }, { accountId: 'b', why: 'quota_reserved' }],
      },
      { accountId: 'c' },
    ])
    await b.settle('1', { accountId: 'b', verdict: failed({ scope: 'family' }), family: 'opus' })
    await b.settle('2', { accountId: 'c', verdict: failed({ scope: 'family' }), family: 'haiku' })
    expect(await b.admit('none', given)).toMatchObject({ kind: 'none', cooling: 2, atCapacity: 1 })
  })

  it('are stale once the pool has changed, or the store has another roster of it', async () => {
    const b = bench()
    const { poolVersion, roster } = await keep(b, all)
    const other = createRoster(poolVersion, candidates)
    const reply = await b.admit('other', { poolVersion, candidates, roster: other })
    expect(reply).toMatchObject({ kind: 'stale', apiKey: [] })
    expect(reply.kind === 'stale' && row(reply.pool)).toHaveProperty('account:x')
    expect(await b.admit('written out', { poolVersion, candidates })).toMatchObject({ kind: 'ok' })
    const change = { accountId: 'y', expectedRevision: 0, record: '{}' }
    await writeAccountScript(b.redis, b.keyspace, change)
    expect(await b.admit('old', { poolVersion, candidates, roster })).toMatchObject({
      kind: 'stale',
    })
    expect(await writeRosterScript(b.redis, b.keyspace, { poolVersion, roster })).toBe(false)
    const version = String(await b.redis.hget(b.keyspace.pool, 'version'))
    const renamed = { ...roster, name: roster.name.replace(poolVersion, version) }
    const lost = await b.admit('lost', { poolVersion: version, candidates, roster: renamed })
    expect(lost).toMatchObject({ kind: 'stale' })
  })

  it.each([true, false])(
    'keep a session where it is while that account can serve: %s',
    async (isNamed) => {
      const b = bench()
      const { admit, settle, advance } = b
      const many = accounts(...Array.from({ length: 40 }, (_, i) => `account-${i + 10}`))
      const { poolVersion, roster } = await keep(b, many)
      const named = { poolVersion, candidates: many, roster: isNamed ? roster : undefined }
      const plan = { ...named, sessionKey: 'session' }
      const [home, away] = ['account-10', 'account-11']
      expect(await admit('1', plan)).toMatchObject({ accountId: home, affinity: 'started' })
      expect(await admit('2', plan)).toMatchObject({ accountId: home, affinity: 'primary' })
      advance(10)
      const verdict = failed({ cooldownMs: 15_000, maxCooldownMs: 60_000 })
      await settle('2', { accountId: home, verdict })
      // By the rule of an only account its cooldown would be over.
      advance(1_000)
      expect(await admit('3', plan)).toMatchObject({
        accountId: away,
        affinity: 'moved',
        skipped: [{ accountId: home, why: 'overloaded' }],
      })
      expect(await admit('4', plan)).toMatchObject({ accountId: away, affinity: 'fallback' })
      const affinityDigest = 'digest'
      await settle('4', { accountId: away, issuedAffinities: [affinityDigest] })
      const bound = { ...named, affinityDigest }
      expect(await admit('5', bound)).toMatchObject({ accountId: away, affinity: 'required' })
    },
  )

  it('are the others where the id of one could be taken for two', async () => {
    const b = bench()
    const planted = accounts('a|b|1', { accountId: 'a\nb', priority: 1 }, 'sound')
    const { poolVersion, roster } = await keep(b, planted)
    for (const given of [undefined, roster]) {
      const reply = await b.admit(`${given?.name}`, {
        poolVersion,
        candidates: planted,
        roster: given,
      })
      expect(reply).toMatchObject({ accountId: 'sound' })
    }
  })
})
