/** The contract of `sweep`: expired leases free their accounts and are handed out to be charged. */
import { expect, it } from 'vitest'
import { ttl } from '../../../src/store/keyspace.ts'
import { describeOnStores, leaseMs } from './setup.ts'

describeOnStores('sweep', (bench) => {
  it('leaves leases alone until the millisecond in which they end', async () => {
    const { admit, sweep, advance, inflight } = bench()
    await admit('one')
    advance(leaseMs - 1)
    expect(await sweep()).toEqual([])
    expect(await inflight()).toEqual({ a: 1 })
    advance(1)
    expect(await sweep()).toEqual(['one|claude-console|key|a|1|100|opus|opus'])
    expect(await inflight()).toEqual({ a: 0 })
  })

  it('keeps the reservation until the orphan is charged', async () => {
    const { admit, sweep, advance, counters } = bench()
    await admit('one')
    advance(leaseMs)
    await sweep()
    expect((await counters()).heldNanoUsd).toBe('100')
  })

  it('frees and hands out no more than its limit', async () => {
    const { admit, sweep, advance, inflight } = bench()
    for (const ledgerId of ['one', 'two', 'three']) await admit(ledgerId)
    advance(leaseMs)
    expect(await sweep(2)).toHaveLength(2)
    expect(await inflight()).toEqual({ a: 1 })
    expect(await sweep(2)).toHaveLength(1)
    expect(await sweep(2)).toEqual([])
  })

  it('hands an orphan out again when nobody charged it within the claim time', async () => {
    const { admit, sweep, settle, advance } = bench()
    await admit('one')
    advance(leaseMs)
    const [member = ''] = await sweep()
    advance(ttl.orphanClaimMs - 1)
    expect(await sweep()).toEqual([])
    advance(1)
    expect(await sweep()).toEqual([member])
    await settle('one', { kind: 'orphan', member })
    advance(ttl.orphanClaimMs)
    expect(await sweep()).toEqual([])
  })
})
