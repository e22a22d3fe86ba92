/** The scripts of the gateway give the same answers, compiled and in real Lua, whatever they are given. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { ttl } from '../../src/store/keyspace.ts'
import { runs } from '../support/property.ts'
import { live } from './life.ts'
import { openStore, type TestStore } from './stores.ts'

const pace = { leaseMs: 1_000, claimMs: ttl.orphanClaimMs, hours: 20 }

describe('compiled scripts beside real Lua', () => {
  let store: TestStore
  beforeAll(async () => {
    store = await openStore('both kinds of Lua')
  })
  afterAll(() => store?.engine.close())

  it('give the same answers and leave the same records through whole lives, with faults', async () => {
    const tape = fc.noBias(
      fc.array(fc.nat({ max: 99_999 }), { minLength: 1, maxLength: 300, size: 'max' }),
    )
    const life = fc.asyncProperty(tape, (numbers) => live(store, pace, numbers))
    await fc.assert(life, runs(12))
  })
})
