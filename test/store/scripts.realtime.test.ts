/** The same lives on a real server and by its own clock: short leases, real waiting, fewer runs. */
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { ttl } from '../../src/store/keyspace.ts'
import type { Engine } from '../../src/store/redis.ts'
import { has } from '../support/lanes.ts'
import { runs } from '../support/property.ts'
import { live } from './life.ts'
import { openRedis } from './stores.ts'

const pace = { leaseMs: 40, claimMs: 60, hours: 0 }

/** Scripts are told how long a claim lasts; nobody wants to wait that long here. */
function withShortClaims(engine: Engine): Engine {
  const shorten = (word: unknown) => (word === String(ttl.orphanClaimMs) ? pace.claimMs : word)
  const request = (given: Parameters<Engine['request']>[0]) =>
    engine.request({ ...given, body: (given.body as unknown[]).map(shorten) })
  return { ...engine, request: request as Engine['request'] }
}

describe.runIf(has('redis-server'))(
  'the scripts on redis-server, with faults and real time',
  () => {
    let engine: Engine
    beforeAll(async () => {
      engine = withShortClaims(await openRedis())
    })
    afterAll(() => engine?.close())

    it('end every reservation exactly once and charge it exactly once', async () => {
      const store = { engine, nowMs: Date.now, advance: (ms: number) => sleep(ms) }
      const tape = fc.noBias(
        fc.array(fc.nat({ max: 99_999 }), { minLength: 50, maxLength: 300, size: 'max' }),
      )
      const tapes = fc.array(tape, { minLength: 1, maxLength: 8, size: 'max' })
      const lives = fc.asyncProperty(tapes, async (list) => {
        await Promise.all(list.map((numbers) => live(store, pace, numbers)))
      })
      await fc.assert(lives, runs(1))
    })
  },
)
