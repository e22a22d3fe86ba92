/** The contract of virtual time: order, no waiting, and the real timers back in their place. */
import { describe, expect, it } from 'vitest'
import { createVirtualTime } from './virtual-time.ts'

const hour = 60 * 60_000

describe('virtual time', () => {
  it('jumps from timer to timer in the order in which they are due, and set', async () => {
    const time = createVirtualTime(1_000, () => false)
    const seen: string[] = []
    const note = (name: string) => () => seen.push(`${name} ${time.now()}`)
    await time.run(async () => {
      setTimeout(note('late'), hour)
      setTimeout(note('first'), 10)
      setTimeout(note('second'), 10)
      clearTimeout(setTimeout(note('never'), 5))
      const every = setInterval(note('every'), 4)
      await time.sleep(9)
      clearInterval(every)
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

  it('stands still while somebody is busy', async () => {
    let left = 50
    const time = createVirtualTime(0, () => left-- > 0)
    await time.run(() => time.sleep(1))
    expect(left).toBeLessThan(0)
  })

  it('wakes a sleeper whose signal aborts, with the reason', async () => {
    const time = createVirtualTime(0, () => false)
    await time.run(async () => {
      const gone = new AbortController()
      setTimeout(() => gone.abort('enough'), 5)
      await expect(time.sleep(hour, gone.signal)).rejects.toBe('enough')
    })
    expect(time.now()).toBe(5)
  })

  it('fails when nothing would ever happen again, and gives the real timers back', async () => {
    const real = setTimeout
    const time = createVirtualTime(0, () => false)
    await expect(time.run(() => new Promise(() => {}))).rejects.toThrow('no timer')
    expect(setTimeout).toBe(real)
  })
})
