/** A clock that stands still until the test moves it. */
import type { Clock } from '../../src/clock.ts'

export interface ManualClock extends Clock {
  /** Moves both clocks on, and runs the timers that are due on the way, in their order. */
  advance(ms: number): void
  /** How many timers are set. */
  pending(): number
}

export function createManualClock(startMs = 0): ManualClock {
  const timers = new Set<{ dueMs: number; run: () => void }>()
  let nowMs = startMs

  function nextUntil(untilMs: number) {
    const due = [...timers].filter(({ dueMs }) => dueMs <= untilMs)
    return due.toSorted((a, b) => a.dueMs - b.dueMs)[0]
  }

  return {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    setTimer(run, delayMs) {
      const timer = { dueMs: nowMs + Math.max(0, delayMs), run }
      timers.add(timer)
      return { clear: () => void timers.delete(timer) }
    },
    advance(ms) {
      const untilMs = nowMs + ms
      for (let timer = nextUntil(untilMs); timer; timer = nextUntil(untilMs)) {
        timers.delete(timer)
        nowMs = timer.dueMs
        timer.run()
      }
      nowMs = untilMs
    },
    pending: () => timers.size,
  }
}
