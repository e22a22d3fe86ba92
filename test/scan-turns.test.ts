import { expect, it } from 'vitest'
import { createScanTurns } from '../src/scan-turns.ts'
import { createManualClock } from './support/manual-clock.ts'

const flush = async () => {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
}

function setup(isShared = true) {
  const clock = createManualClock()
  return { clock, turns: createScanTurns(clock, 100, isShared) }
}

it('lets all scans together take so many bytes in a turn, and the others wait for the next', async () => {
  const { clock, turns } = setup()
  const scanned: number[] = []
  const scan = async (id: number) => {
    for (let stretch = 0; stretch < 4; stretch++) {
      await turns.take(50)
      scanned.push(id)
    }
  }
  const all = Promise.all([scan(1), scan(2), scan(3)])
  await flush()
  const perTurn = [scanned.length]
  while (scanned.length < 12) {
    const before = scanned.length
    clock.advance(1)
    await flush()
    perTurn.push(scanned.length - before)
  }
  await all
  expect(Math.max(...perTurn)).toBe(2)
  // Whoever came first does not hold up those that came later.
  expect(scanned.slice(0, 6).toSorted()).toEqual([1, 1, 2, 2, 3, 3])
})

it('makes nobody wait while there is room, and keeps no timer when nothing is scanned', () => {
  const { clock, turns } = setup()
  expect(turns.take(60)).toBeUndefined()
  expect(turns.take(60)).toBeUndefined()
  expect(turns.take(1)).toBeInstanceOf(Promise)
  clock.advance(1)
  expect(turns.take(50)).toBeUndefined()
  clock.advance(1)
  clock.advance(1)
  expect(clock.pending()).toBe(0)
})

it('takes one turn each where requests must not wait for each other', async () => {
  const { clock, turns } = setup(false)
  let done = 0
  for (let count = 0; count < 3; count++) void turns.take(1_000)?.then(() => done++)
  clock.advance(1)
  await flush()
  expect(done).toBe(3)
})
