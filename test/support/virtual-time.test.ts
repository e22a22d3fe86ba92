/** The contract of virtual time: order, no waiting, and nothing global touched. */
import { describe, expect, it } from 'vitest'
import { every } from '../../src/clock.ts'
import { createVirtualTime } from './virtual-time.ts'

const hour = 60 * 60_000

describe('virtual time', () => {
  it('jumps from timer to timer in the order in which they are due, and set', async () => {
    const time = createVirtualTime(1_000)
    const seen: string[] = []
    const note = (name: string) => () => seen.push(`${name} ${time.now()}`)
    await time.run(async () => {
      time.setTimer(note('late'), hour)
      time.setTimer(note('first'), 10)
      time.setTimer(note('second'), 10)
      time.setTimer(note('never'), 5).clear()
      const interval = every(time, note('every'), 4)
      await time.sleep(9)
      interval.clear()
      await time.sleep(2 * hour)
    })
    expect(seen).toEqual([
      'every 1004',
      'every 1008',
      'first 1010',
      'second 1010',
      `late ${1_000 + hour}`,
    ])
    expect(time.now()).toBe(1_009 + 2 * hour)
  })

  it('passes by hand, and brings each timer on its way', async () => {
    const time = createVirtualTime(0)
    const seen: number[] = []
    const again = async () => {
      await time.sleep(10)
      seen.push(time.now())
      if (seen.length < 5) await again()
    }
    const done = again()
    await time.pass(35)
    expect([...seen, time.now()]).toEqual([10, 20, 30, 35])
    await time.pass(15)
    await done
    expect(seen).toEqual([10, 20, 30, 40, 50])
  })

  it('keeps timers and the monotonic clock when the wall clock is moved', async () => {
    const time = createVirtualTime(10 * hour)
    await time.run(async () => {
      time.moveWallClock(-hour)
      await time.sleep(5)
    })
    expect([time.now(), time.monotonicMs()]).toEqual([9 * hour + 5, 5])
  })

  it('lets a timer clear another that is due at the same moment', async () => {
    const time = createVirtualTime(0)
    const seen: string[] = []
    await time.run(async () => {
      time.setTimer(() => second.clear(), 5)
      const second = time.setTimer(() => seen.push('second'), 5)
      await time.sleep(10)
    })
    expect(seen).toEqual([])
  })

  it('stands still while somebody is busy', async () => {
    let left = 50
    const time = createVirtualTime(0, () => left-- > 0)
    await time.run(() => time.sleep(1))
    expect(left).toBeLessThan(0)
  })

  it('wakes a sleeper whose signal aborts, with the reason', async () => {
    const time = createVirtualTime(0)
    await time.run(async () => {
      const gone = new AbortController()
      time.setTimer(() => gone.abort('enough'), 5)
      await expect(time.sleep(hour, gone.signal)).rejects.toBe('enough')
    })
    expect(time.now()).toBe(5)
  })

  it('fails when nothing would ever happen again', async () => {
    const time = createVirtualTime(0)
    await expect(time.run(() => new Promise(() => {}))).rejects.toThrow('no timer')
  })
})
