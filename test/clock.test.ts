/** The contract of what waits on a lent clock. */
import { describe, expect, it } from 'vitest'
import { every, sleep } from '../src/clock.ts'
import { systemClock } from '../src/node/clock.ts'
import { createVirtualTime } from './support/virtual-time.ts'

describe('a sleep', () => {
  it('ends when its time is over, or at once with its signal', async () => {
    const time = createVirtualTime(0)
    const gone = new AbortController()
    time.setTimer(() => gone.abort(), 30)
    const woken: number[] = []
    const note = () => void woken.push(time.monotonicMs())
    const sleeps = [sleep(time, 20), sleep(time, 1_000, gone.signal)].map((one) => one.then(note))
    await time.run(() => Promise.all(sleeps))
    await sleep(time, 1_000, gone.signal).then(note)
    expect(woken).toEqual([20, 30, 30])
  })
})

describe('an interval', () => {
  it('runs until it is cleared, even from within', async () => {
    const time = createVirtualTime(0)
    const runs: number[] = []
    const interval = every(
      time,
      () => {
        runs.push(time.monotonicMs())
        if (runs.length === 3) interval.clear()
      },
      10,
    )
    await time.pass(1_000)
    expect(runs).toEqual([10, 20, 30])
  })
})

describe('the clock of the host', () => {
  it('counts whole milliseconds that never go back', async () => {
    const before = systemClock.monotonicMs()
    await sleep(systemClock, 5)
    const after = systemClock.monotonicMs()
    expect([before, after].map(Math.floor)).toEqual([before, after])
    expect(after).toBeGreaterThan(before)
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(60_000)
  })

  it('does not run a timer that was cleared', async () => {
    let runs = 0
    systemClock.setTimer(() => runs++, 1).clear()
    await sleep(systemClock, 10)
    expect(runs).toBe(0)
  })
})
