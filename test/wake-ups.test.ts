/** The first that sleeps is woken, and no wake-up is lost on one that does not need it. */
import { describe, expect, it } from 'vitest'
import { createWakeUps } from '../src/wake-ups.ts'
import { createVirtualTime } from './support/virtual-time.ts'

const never = new AbortController().signal

/** Sleepers of one key that note when they wake. */
function createSleepers() {
  const time = createVirtualTime(0)
  const wakeUps = createWakeUps()
  const awake: string[] = []
  return {
    time,
    awake,
    ...wakeUps,
    sleeper(name: string, keyId = 'key', signal = never) {
      const { sleep, leave } = wakeUps.enter(keyId)
      const doze = async () => {
        await sleep(time, 1_000, signal)
        awake.push(`${name} at ${time.monotonicMs()}`)
      }
      return { doze, leave }
    },
  }
}

describe('wake-ups', () => {
  it('wake one at a time, in the order of their entry, and of that key only', async () => {
    const { time, awake, sleeper, wake } = createSleepers()
    const all = [sleeper('a'), sleeper('other', 'other key'), sleeper('b'), sleeper('c')]
    for (const { doze } of all) void doze()
    await time.pass(100)
    wake('key')
    wake('key')
    await time.pass(900)
    expect(awake).toEqual(['a at 100', 'b at 100', 'other at 1000', 'c at 1000'])
  })

  it('keep one who was awake from sleeping the next time', async () => {
    const { time, awake, sleeper, wake } = createSleepers()
    const { doze } = sleeper('a')
    wake('key')
    void doze()
    await time.pass(0)
    expect(awake).toEqual(['a at 0'])
    void doze()
    await time.pass(1_000)
    expect(awake).toEqual(['a at 0', 'a at 1000'])
  })

  it('go to the next when the one who was woken has left', async () => {
    const { time, awake, sleeper, wake } = createSleepers()
    const [first, second] = [sleeper('a'), sleeper('b')]
    void second.doze()
    wake('key')
    await time.pass(10)
    expect(awake).toEqual([])
    first.leave()
    await time.pass(0)
    expect(awake).toEqual(['b at 10'])
  })

  it('are lost where nobody sleeps', async () => {
    const { time, awake, sleeper, wake } = createSleepers()
    wake('key')
    sleeper('left').leave()
    wake('key')
    void sleeper('a').doze()
    await time.pass(1_000)
    expect(awake).toEqual(['a at 1000'])
  })

  it('are not waited for once the signal is aborted', async () => {
    const { time, awake, sleeper } = createSleepers()
    const gone = new AbortController()
    const { doze } = sleeper('a', 'key', gone.signal)
    void doze()
    await time.pass(10)
    gone.abort()
    await time.pass(0)
    void doze()
    await time.pass(0)
    expect(awake).toEqual(['a at 10', 'a at 10'])
  })
})
