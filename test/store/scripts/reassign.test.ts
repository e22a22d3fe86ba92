/** The contract of `reassign` and `renew`: how a running request moves on and stays leased. */
import { expect, it } from 'vitest'
import { accounts, describeOnStores, failed, leaseMs, poolId } from './setup.ts'

describeOnStores('reassign', (bench) => {
  it('moves lease and reservation to the next account and records why the last one failed', async () => {
    const { admit, reassign, inflight, counters, health, advance, nowMs } = bench()
    await admit('one')
    advance(10)
    const expiresAtMs = nowMs() + leaseMs
    const moved = { kind: 'ok', accountId: 'b', generation: 2, expiresAtMs }
    expect(await reassign('one')).toMatchObject(moved)
    expect(await inflight()).toEqual({ a: 0, b: 1 })
    expect(await counters()).toMatchObject({ heldNanoUsd: '100', windowRequests: '1' })
    expect(await health()).toEqual({ a: `${nowMs() + 1_000}|1|${nowMs()}|overloaded` })
  })

  it('answers a repeated generation as before, without moving again', async () => {
    const { admit, reassign, inflight, health, advance, nowMs } = bench()
    await admit('one')
    advance(10)
    const first = await reassign('one')
    const untilMs = nowMs() + 1_000
    const began = { change: 'cooling', accountId: 'a', family: '', reason: 'overloaded', untilMs }
    expect(first).toMatchObject({ cooldownUntilMs: untilMs, healthChanges: [began] })
    const record = await health()
    advance(10)
    expect(await reassign('one', { candidates: accounts('c') })).toEqual({
      ...first,
      cooldownUntilMs: 0,
      healthChanges: [],
    })
    expect(await inflight()).toEqual({ a: 0, b: 1 })
    expect(await health()).toEqual(record)
  })

  it('answers none when no other account can serve, and keeps the lease for the settlement', async () => {
    const { admit, reassign, settle, inflight, health, advance, nowMs } = bench()
    await admit('other', { candidates: accounts('b') })
    await settle('other', { accountId: 'b', verdict: failed({ untilMs: nowMs() + 4_000 }) })
    const soonestMs = nowMs() + 4_000
    await admit('one')
    advance(10)
    expect(await reassign('one')).toMatchObject({ kind: 'none', soonestMs, nowMs: nowMs() })
    const record = await health()
    advance(10)
    expect(await reassign('one', { candidates: [] })).toMatchObject({ kind: 'none', soonestMs: 0 })
    expect(await health()).toEqual(record)
    expect(await inflight()).toMatchObject({ a: 1 })
    expect(await settle('one')).toBe('charged')
  })

  it('lets an account that nobody can stand in for rest a short time that doubles, up to its limit', async () => {
    const { admit, reassign, settle, health, advance, nowMs } = bench()
    const failing = failed({ cooldownMs: 4_000, maxCooldownMs: 60_000 })
    const onlyAccountCooldown = { cooldownMs: 2_000, maxCooldownMs: 3_000 }
    const alone = { failure: failing, onlyAccountCooldown, candidates: [] }
    await admit('one')
    advance(10)
    const first = await reassign('one', alone)
    expect(first).toMatchObject({ kind: 'none', cooldownUntilMs: nowMs() + 2_000 })
    await settle('one', { kind: 'void', verdict: failing })
    advance(2_000)
    await admit('probe')
    advance(10)
    expect(await reassign('probe', alone)).toMatchObject({ cooldownUntilMs: nowMs() + 3_000 })
    expect(await health()).toMatchObject({ a: `${nowMs() + 3_000}|2|${nowMs()}|overloaded` })
    await settle('probe', { kind: 'void' })
    advance(3_000)
    await admit('followed')
    advance(10)
    const followed = await reassign('followed', { ...alone, candidates: accounts('b') })
    expect(followed).toMatchObject({ kind: 'ok', cooldownUntilMs: nowMs() + 16_000 })
  })

  it('leaves a longer rest alone that the account has for another reason', async () => {
    const { admit, reassign, settle, nowMs, advance } = bench()
    await admit('refused')
    await admit('one')
    advance(10)
    const untilMs = nowMs() + 9_000
    await settle('refused', { verdict: failed({ reason: 'account_refused', untilMs }) })
    const onlyAccountCooldown = { cooldownMs: 1_000, maxCooldownMs: 1_000 }
    const lone = { onlyAccountCooldown, candidates: [] }
    expect(await reassign('one', lone)).toMatchObject({ cooldownUntilMs: untilMs })
  })

  it('asks the same account again when its rest is over, as a probe and a new generation', async () => {
    const { admit, reassign, settle, inflight, counters, health, request, advance, nowMs } = bench()
    const onlyAccountCooldown = { cooldownMs: 500, maxCooldownMs: 5_000 }
    const alone = { failure: failed({ cooldownMs: 4_000 }), onlyAccountCooldown, candidates: [] }
    const again = {
      failure: failed({ scope: 'none' }),
      candidates: accounts('a').map((account) => ({ ...account, maxConcurrency: 1 })),
    }
    await admit('one')
    advance(10)
    await reassign('one', alone)
    const resting = {
      kind: 'none',
      cooling: 1,
      overloaded: 1,
      probing: 0,
      soonestMs: nowMs() + 500,
    }
    expect(await reassign('one', again)).toMatchObject(resting)
    expect(await inflight()).toEqual({ a: 1 })
    advance(500)
    const sinceMs = nowMs() - 500
    expect(await reassign('one', again)).toMatchObject({
      kind: 'ok',
      accountId: 'a',
      generation: 2,
      isProbe: true,
    })
    expect(await inflight()).toEqual({ a: 1 })
    expect(await counters()).toMatchObject({ heldNanoUsd: '100', windowRequests: '1' })
    expect(await health()).toEqual({ a: `${nowMs() + 3_000}|1p|${sinceMs}|overloaded` })
    expect(await request('one')).toMatchObject({
      member: 'one|claude-console|key|a|2|100|opus|opus',
    })
    expect(await settle('one')).toBe('charged')
    expect(await inflight()).toEqual({ a: 0 })
  })

  it('counts no move of a session whose account is asked again', async () => {
    const { admit, reassign, settle, redis, keyspace, advance } = bench()
    const onlyAccountCooldown = { cooldownMs: 500, maxCooldownMs: 500 }
    const session = { sessionKey: 'session' }
    await admit('first', { ...session, candidates: accounts('a') })
    await settle('first', { verdict: 'success' })
    await admit('one', { ...session, candidates: accounts('b') })
    advance(10)
    await reassign('one', { ...session, candidates: [], onlyAccountCooldown })
    advance(500)
    const again = { ...session, failure: failed({ scope: 'none' }), candidates: accounts('b') }
    expect(await reassign('one', again)).toMatchObject({ kind: 'ok', affinity: 'fallback' })
    const stored = await redis.get<string>(keyspace.sticky(poolId, 'key', 'session'))
    expect(stored).toMatch(/\|b\|1$/)
  })

  it('lets one of those that failed together ask again, leaves its claim alone, and counts once', async () => {
    const { admit, reassign, health, advance, nowMs } = bench()
    const onlyAccountCooldown = { cooldownMs: 500, maxCooldownMs: 5_000 }
    const alone = { failure: failed({ cooldownMs: 4_000 }), onlyAccountCooldown, candidates: [] }
    const again = { failure: failed({ scope: 'none' }), candidates: accounts('a') }
    for (const name of ['one', 'two', 'late']) await admit(name)
    advance(10)
    await reassign('one', alone)
    await reassign('two', alone)
    advance(500)
    expect(await reassign('one', again)).toMatchObject({ kind: 'ok', isProbe: true })
    const claimed = await health()
    const untilMs = nowMs() + 3_000
    expect(await reassign('two', again)).toMatchObject({
      kind: 'none',
      probing: 1,
      soonestMs: untilMs,
    })
    expect(await reassign('late', alone)).toMatchObject({ kind: 'none', cooldownUntilMs: untilMs })
    expect(await health()).toEqual(claimed)
    advance(10)
    await reassign('one', { ...alone, generation: 2 })
    expect(await health()).toEqual({ a: `${nowMs() + 1_000}|2|${nowMs()}|overloaded` })
  })

  it('answers gone to a request that has ended or whose lease was reaped', async () => {
    const { admit, reassign, settle, sweep, advance, inflight } = bench()
    expect(await reassign('never admitted')).toEqual({ kind: 'gone', healthChanges: [] })
    await admit('settled')
    await settle('settled')
    expect(await reassign('settled')).toEqual({ kind: 'gone', healthChanges: [] })
    await admit('reaped')
    await admit('moved and reaped')
    await reassign('moved and reaped')
    advance(leaseMs)
    await sweep()
    expect(await reassign('reaped')).toEqual({ kind: 'gone', healthChanges: [] })
    expect(await reassign('moved and reaped')).toEqual({ kind: 'gone', healthChanges: [] })
    expect(await inflight()).toEqual({ a: 0, b: 0 })
  })

  it('claims the probe of the account it moves to, and writes affinity', async () => {
    const { admit, reassign, settle, advance, redis, keyspace, nowMs, health } = bench()
    await admit('failing', { candidates: accounts('b') })
    await settle('failing', { accountId: 'b', verdict: failed() })
    const sinceMs = nowMs()
    advance(1_000)
    await admit('one')
    await reassign('one', { sessionKey: 'session' })
    expect(await health()).toMatchObject({ b: `${nowMs() + 3_000}|1p|${sinceMs}|overloaded` })
    expect(await redis.get(keyspace.sticky(poolId, 'key', 'session'))).toBe(`b|${nowMs()}|0|b|0`)
    await admit('two', { candidates: accounts('c') })
    expect(await reassign('two')).toMatchObject({ kind: 'none' })
  })

  it('keeps a model name that contains the separator of lease members', async () => {
    const { admit, reassign, request } = bench()
    await admit('one', { model: 'a|b' })
    await reassign('one')
    expect(await request('one')).toMatchObject({
      member: 'one|claude-console|key|b|2|100|other|a|b',
    })
  })
})

describeOnStores('renew', (bench) => {
  it('extends the lease by its length from now', async () => {
    const { admit, renew, advance, sweep, nowMs } = bench()
    await admit('one')
    advance(leaseMs - 1)
    expect(await renew('one')).toBe(nowMs() + leaseMs)
    advance(leaseMs - 1)
    expect(await sweep()).toEqual([])
    expect(await admit('two', { limits: { concurrencyLimit: 1 } })).toMatchObject({
      cause: 'concurrency',
    })
  })

  it('extends what has moved on, and nothing that has ended or been reaped', async () => {
    const { admit, renew, reassign, settle, advance, sweep, inflight } = bench()
    expect(await renew('never admitted')).toBeUndefined()
    await admit('settled')
    await settle('settled')
    expect(await renew('settled')).toBeUndefined()
    await admit('moved')
    await reassign('moved')
    expect(await renew('moved')).toBeGreaterThan(0)
    advance(leaseMs)
    await sweep()
    expect(await renew('moved')).toBeUndefined()
    expect(await inflight()).toEqual({ a: 0, b: 0 })
  })
})
