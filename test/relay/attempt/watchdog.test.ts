/** The contract of the watchdog: it bites once, as long after the last touch as it was told, by the monotonic clock. */
import { describe, expect, it } from 'vitest'
import { createWatchdog } from '../../../src/relay/attempt/watchdog.ts'
import { createVirtualTime } from '../../support/virtual-time.ts'

const hour = 60 * 60_000

/** A watchdog over 100 ms, and the moments at which it found its time to be up. */
function watched() {
  const time = createVirtualTime(10 * hour)
  const bites: number[] = []
  const watchdog = createWatchdog(time, 100, () => bites.push(time.monotonicMs()))
  return { time, bites, watchdog }
}

describe('a watchdog', () => {
  it('bites once, when its time is up and one more turn has passed', async () => {
    const { time, bites } = watched()
    await time.pass(99)
    expect(bites).toEqual([])
    await time.pass(hour)
    expect(bites).toEqual([101])
  })

  it('is put off by progress, and brought forward by a shorter time', async () => {
    const { time, bites, watchdog } = watched()
    await time.pass(90)
    watchdog.touch(1_000)
    await time.pass(500)
    expect(bites).toEqual([])
    watchdog.touch(10)
    await time.pass(11)
    expect(bites).toEqual([601])
  })

  it('never bites once it was stopped', async () => {
    const { time, bites, watchdog } = watched()
    await time.pass(50)
    watchdog.stop()
    await time.pass(hour)
    expect(bites).toEqual([])
  })

  it.each([
    ['back', -hour],
    ['forward', hour],
  ])('bites at the same time when the wall clock is set %s by an hour', async (_, byMs) => {
    const { time, bites, watchdog } = watched()
    await time.pass(50)
    time.moveWallClock(byMs)
    watchdog.touch(100)
    await time.pass(99)
    expect(bites).toEqual([])
    await time.pass(2)
    expect(bites).toEqual([151])
  })
})
