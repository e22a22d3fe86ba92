/** A day with faults in virtual time: nobody is stuck, nobody hammered, and clients see next to nothing of it. */
import { beforeAll, describe, expect, it } from 'vitest'
import { has } from '../support/lanes.ts'
import { createRandom } from './day/asks.ts'
import type { Trouble } from './day/faults.ts'
import {
  aftermathMs,
  attemptsInVain,
  excuseOf,
  expectedLedger,
  movesOf,
  pauses,
  recoveries,
  repeatsInVain,
} from './day/findings.ts'
import { type Simulated, simulate } from './day/simulate.ts'
import { readRest } from './day/watch.ts'
import { createWorld, westQuotaUsd } from './day/world.ts'

const long = describe.runIf(has('long runs'))

const perDay = 1_500
const second = 1_000
const minute = 60 * second

let day: Simulated

beforeAll(async () => {
  day = await simulate({ days: 1, perDay, seed: 7 })
})

const shareOf = (count: number) => count / perDay

long('an account', () => {
  /** How long after the end of its fault an account may rest at most. */
  const longestRestMs: Record<Trouble['kind'], number> = {
    refused: 5 * minute,
    flapping: 5 * minute,
    silent: 5 * minute,
    slow: 5 * minute,
    stalled: minute,
    cut: 5 * minute,
    overloaded: minute,
    error_event: minute,
    unauthorized: 30 * minute,
    disabled: 30 * minute,
    // `retry-after` has whole seconds, and counts from the answer.
    limited: 2 * second,
  }

  it('rests no longer than its bound once its fault has ended', () => {
    const late = recoveries(day).filter(
      ({ fault, restMs }) => restMs > longestRestMs[fault.trouble.kind],
    )
    expect(late).toEqual([])
    expect(day.watch.endless).toEqual([])
  })

  it('is asked again once it may be, at the latest after the two others of its priority', () => {
    const found = recoveries(day)
    expect(found.filter(({ passedOver }) => passedOver > 2)).toEqual([])
    expect(found.filter(({ waitMs }) => waitMs !== undefined).length).toBeGreaterThan(15)
  })

  it('is well for everybody as soon as its probe has begun to be answered', () => {
    expect(day.watch.held).toEqual([])
  })

  it('bears no rest that has not ended when all is over', () => {
    const { health, nowMs } = day.rest
    expect([...health].filter(([, packed]) => (readRest(packed)?.untilMs ?? 0) > nowMs)).toEqual([])
  })

  it('is asked by nobody while it rests, and by one request when that ends', () => {
    expect(day.watch.hammered).toEqual([])
    expect(day.watch.crowded).toEqual([])
    expect(day.watch.probes()).toBeGreaterThan(50)
  })

  it('that is dead is asked a few times an hour, unless no other can stand in for it', () => {
    const most: Partial<Record<Trouble['kind'], number>> = {
      refused: 25, // nine until the pauses have grown to five minutes, and then twelve an hour
      unauthorized: 4, // every half an hour, and what was on its way
      disabled: 4,
      limited: 6, // each family of models once, and what was on its way
      overloaded: 200, // each family of models once a minute
      error_event: 200,
    }
    const over = attemptsInVain(day).filter(
      // Of the only account each family of models is asked every five seconds.
      ({ fault, perHour }) =>
        Math.max(...perHour) >
        (fault.account === 'own' ? 3 * 240 : (most[fault.trouble.kind] ?? 60)),
    )
    expect(over).toEqual([])
  })

  it('that is dead is asked after pauses that double up to five minutes', () => {
    const dead = day.faults.filter(({ trouble }) => trouble.kind === 'refused')
    const [outage, everything] = dead
    if (!outage || !everything) throw new Error('The schedule has changed')
    const inOutage = pauses(day, outage, 'north')
    expect(inOutage.length).toBeGreaterThan(10)
    for (const [i, pauseMs] of inOutage.entries()) {
      expect(pauseMs).toBeGreaterThanOrEqual(Math.min(2 * second * 2 ** i, 5 * minute))
    }
    // While nobody else is free, five seconds are enough.
    for (const [i, pauseMs] of pauses(day, everything, 'east').entries()) {
      expect(pauseMs).toBeGreaterThanOrEqual(Math.min((second / 2) * 2 ** i, 5 * second))
    }
  })

  it('spends no more than its quota of a day and one request', () => {
    const { byDay, dearest } = expectedLedger(day).west
    const quota = westQuotaUsd * 1e9
    expect(byDay.size).toBeGreaterThan(1)
    expect(Math.max(...byDay.values())).toBeGreaterThanOrEqual(quota)
    for (const spent of byDay.values()) expect(spent).toBeLessThan(quota + dearest)
  })
})

long('a client', () => {
  it('sees no error before content, but when nobody can serve', () => {
    const refused = day.seen.filter(({ end }) => end === 'refused')
    expect(refused.filter((each) => excuseOf(day, each) === undefined)).toEqual([])
    const first = refused.filter(({ tries }) => tries === 0)
    expect(shareOf(first.length)).toBeGreaterThan(0)
    expect(shareOf(first.length)).toBeLessThan(0.04)
    const tried = first.filter((each) => excuseOf(day, each) === 'last account on probation')
    expect(shareOf(tried.length)).toBeLessThan(0.002)
  })

  it('hears of it as what it is, with a time to come back at which it is served', () => {
    for (const { end, status, error, retryAfterSeconds = 0 } of day.seen) {
      if (end !== 'refused') continue
      const told = [
        '529 overloaded_error',
        '503 api_error',
        '200 overloaded_error',
        '200 api_error',
      ]
      expect(told).toContain(`${status} ${error}`)
      if (status === 200) continue
      expect(retryAfterSeconds).toBeGreaterThanOrEqual(1)
      expect(retryAfterSeconds).toBeLessThanOrEqual(aftermathMs / second)
    }
    expect(day.seen.filter(({ end }) => end !== 'refused')).toHaveLength(perDay)
    // Those who come together when a rest ends wait once more, for the one who tries the account.
    expect(Math.max(...repeatsInVain(day))).toBeLessThanOrEqual(2)
  })

  it('sees an answer break off only where the upstream broke it off', () => {
    const cut = day.seen.filter(({ end }) => end === 'cut')
    const broken = day.attempts.filter(({ outcome }) => outcome === 'cut')
    expect(cut.map(({ ask }) => ask.number).sort()).toEqual(
      broken.map(({ ask }) => ask.number).sort(),
    )
    expect(shareOf(cut.length)).toBeLessThan(0.02)
  })
})

long('a session', () => {
  it('leaves an account that can serve it only for a home that is warm', () => {
    expect(day.watch.strayed).toEqual([])
  })

  it('has its moves counted', () => {
    const { moves, usage } = day.rest
    const counted = movesOf(day)
    for (const [session, count] of counted) expect(moves.get(session)).toBe(count)
    const sum = (counts: Iterable<number>) => [...counts].reduce((one, other) => one + other, 0)
    expect(sum(counted.values())).toBeGreaterThan(10)
    // What served nobody is not in the usage ledger.
    expect(usage.sessionMoves).toBeGreaterThanOrEqual(sum(counted.values()))
    expect(usage.sessionMoves).toBeLessThanOrEqual(sum(moves.values()))
  })
})

long('the store', () => {
  it('has charged what was served, and estimates of what broke off', () => {
    expect(day.rest.usage).toMatchObject(expectedLedger(day).sums)
    expect(day.rest.usage).toMatchObject({ orphanedRequests: 0, unpricedRequests: 0 })
  })

  it('holds nothing when all is over', () => {
    const loads = [...day.rest.load.values()].map((packed) => packed.split('|'))
    expect(loads.map(([inflight]) => inflight)).toEqual(loads.map(() => '0'))
    expect(loads.map(([, , held]) => held)).toEqual(loads.map(() => '0'))
    expect(day.rest.held).toEqual(['0', '0', '0'])
    expect(day.rest.leases).toBe(0)
  })

  it('counts fifty requests that fail together, or soon after each other, as one failure', async () => {
    const random = createRandom(1)
    const asked = { north: 0, west: 0 }
    const world = await createWorld(0, async (url) => {
      const name = new URL(url).hostname.split('.')[0]
      if (name !== 'north' && name !== 'west') {
        return Response.json({ type: 'message', usage: { input_tokens: 1, output_tokens: 1 } })
      }
      asked[name]++
      await world.time.sleep(name === 'north' ? 3_000 : 3_000 + 1_900 * random())
      throw new TypeError('fetch failed')
    })
    const ask = async () => {
      const { key } = world.keyOf('team')
      const body = '{"model":"claude-sonnet-4-5","messages":[]}'
      // As clients do: without it room is kept for the largest body, and they come one after the other.
      const contentLength = { 'content-length': String(body.length) }
      const headers = { 'content-type': 'application/json', 'x-api-key': key, ...contentLength }
      const init = { method: 'POST', headers, body }
      return (await world.gateway.app.request('/v1/messages', init)).status
    }
    try {
      await world.time.run(async () => {
        const statuses = await Promise.all(Array.from({ length: 110 }, ask))
        expect(statuses.filter((status) => status !== 200)).toEqual([])
      })
      const health = await world.health()
      for (const name of ['north', 'west'] as const) {
        expect(asked[name]).toBeGreaterThanOrEqual(50)
        const { failures, sinceMs = 0, untilMs } = readRest(health.get(world.idOf(name))) ?? {}
        expect({ failures, untilMs }).toEqual({ failures: 1, untilMs: sinceMs + 2_000 })
      }
    } finally {
      await world.close()
    }
  })
})
