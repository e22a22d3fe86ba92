import { expect, it } from 'vitest'
import { createByteBudget } from '../src/byte-budget.ts'
import { createManualClock } from './support/manual-clock.ts'

const never = new AbortController().signal

function setup() {
  const clock = createManualClock()
  const budget = createByteBudget({ maxBytes: 100, maxWaiting: 2, maxWaitMs: 1_000 }, clock)
  /** Lets `ms` pass, and everything run that is due by then. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 20) {
      clock.advance(20)
      for (let turn = 0; turn < 5; turn++) await Promise.resolve()
    }
  }
  const state = (work: Promise<unknown>) => {
    const seen = { settled: false as unknown }
    work.then((value) => {
      seen.settled = value === undefined ? 'refused' : 'kept'
    })
    return seen
  }
  return { budget, clock, pass, state }
}

it('keeps up to its bytes at once, and lets more wait until there is room', async () => {
  const { budget, pass, state } = setup()
  const first = await budget.keep(60, never)
  await budget.keep(40, never)
  const third = state(budget.keep(50, never))
  await pass(100)
  expect(third.settled).toBe(false)
  first?.release()
  await pass(20)
  expect(third.settled).toBe('kept')
})

it('serves in the order of asking, whatever would fit', async () => {
  const { budget, pass, state } = setup()
  const first = await budget.keep(60, never)
  const large = state(budget.keep(100, never))
  const small = state(budget.keep(1, never))
  await pass(100)
  expect([large.settled, small.settled]).toEqual([false, false])
  first?.release()
  await pass(20)
  expect([large.settled, small.settled]).toEqual(['kept', false])
})

it('refuses who would be one too many to wait, and who has waited too long', async () => {
  const { budget, pass, state } = setup()
  await budget.keep(100, never)
  const waiting = [1, 2].map((bytes) => state(budget.keep(bytes, never)))
  expect(await budget.keep(3, never)).toBeUndefined()
  await pass(1_020)
  expect(waiting.map(({ settled }) => settled)).toEqual(['refused', 'refused'])
})

it('lets who has gone wait no longer, and keeps no timer of theirs', async () => {
  const { budget, clock } = setup()
  await budget.keep(100, never)
  const gone = new AbortController()
  const waiting = budget.keep(1, gone.signal)
  gone.abort()
  expect(await waiting).toBeUndefined()
  expect(clock.pending()).toBe(0)
})

it('frees what was kept once, and what is kept less', async () => {
  const { budget } = setup()
  const first = await budget.keep(100, never)
  first?.shrink(10)
  const second = await budget.keep(90, never)
  first?.release()
  first?.release()
  expect(await budget.keep(10, never)).toBeDefined()
  second?.shrink(200)
  second?.release()
  expect(await budget.keep(90, never)).toBeDefined()
})

it('has room for more than all of it when nothing else is kept', async () => {
  const { budget } = setup()
  expect(await budget.keep(500, never)).toBeDefined()
})

it('lets what is kept grow while there is room, and wait for it before all that begin', async () => {
  const { budget, pass, state } = setup()
  const first = await budget.keep(30, never)
  const second = await budget.keep(30, never)
  expect(await first?.grow(60)).toBe(true)
  expect(await first?.grow(10)).toBe(true)
  const grown = state(Promise.resolve(second?.grow(60)))
  const begun = state(budget.keep(1, never))
  await pass(100)
  expect([grown.settled, begun.settled]).toEqual([false, false])
  first?.release()
  await pass(40)
  expect([grown.settled, begun.settled]).toEqual(['kept', 'kept'])
})

it('refuses the last that came when all that is kept waits to grow, until the others can go on', async () => {
  const { budget, pass } = setup()
  const kept = await Promise.all([30, 30, 30].map((bytes) => budget.keep(bytes, never)))
  const grown: [number, boolean][] = []
  kept.forEach((each, i) => {
    void each?.grow(60).then((isGrown) => {
      grown.push([i, isGrown])
      if (!isGrown) each.release()
    })
  })
  await pass(200)
  expect(grown).toEqual([
    [2, false],
    [0, true],
  ])
  kept[0]?.release()
  await pass(40)
  expect(grown.at(-1)).toEqual([1, true])
})

it('waits to grow for what is kept without growing, but not longer than any wait', async () => {
  const { budget, clock, pass } = setup()
  await budget.keep(60, never)
  const second = await budget.keep(40, never)
  const grown: boolean[] = []
  void second?.grow(50).then((isGrown) => grown.push(isGrown))
  await pass(900)
  expect(grown).toEqual([])
  await pass(200)
  expect(grown).toEqual([false])
  second?.release()
  expect(clock.pending()).toBe(0)
})

it('lets what is kept alone grow beyond all of it, and one that has gone wait no longer', async () => {
  const { budget, clock } = setup()
  const gone = new AbortController()
  const first = await budget.keep(10, gone.signal)
  const second = await budget.keep(10, never)
  const growing = first?.grow(500)
  gone.abort()
  expect(await growing).toBe(false)
  expect(clock.pending()).toBe(0)
  first?.release()
  expect(await second?.grow(500)).toBe(true)
})
