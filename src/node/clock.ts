/** The clock of the Node host. */
import type { Clock } from '../clock.ts'

export const systemClock: Clock = {
  now: Date.now,
  monotonicMs: () => Math.floor(performance.now()),
  setTimer(run, delayMs) {
    const timer = setTimeout(run, delayMs)
    return { clear: () => clearTimeout(timer) }
  },
}
