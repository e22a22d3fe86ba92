/** Every reservation ends exactly once and is charged exactly once, whatever gets lost: hours pass at once here. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { ttl } from '../../src/store/keyspace.ts'
import { runs } from '../support/property.ts'
import { live } from './life.ts'
import { openStore, storeNames, type TestStore } from './stores.ts'

const pace = { leaseMs: 1_000, claimMs: ttl.orphanClaimMs, hours: 20 }

describe.each(storeNames)('the scripts on %s, with faults', (name) => {
  let store: TestStore
  beforeAll(async () => {
    store = await openStore(name)
  })
  afterAll(() => store?.engine.close())

  it('end every reservation exactly once and charge it exactly once', async () => {
    const tape = fc.noBias(
      fc.array(fc.nat({ max: 99_999 }), { minLength: 1, maxLength: 500, size: 'max' }),
    )
    const life = fc.asyncProperty(tape, (numbers) => live(store, pace, numbers))
    await fc.assert(life, runs(45))
  })
})
