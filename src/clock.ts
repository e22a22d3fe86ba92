/** Time as the host lends it: a wall clock, a monotonic clock, and timers. */

/** A timer that has been set. */
export interface Timer {
  /** Has no effect on a timer that has run. */
  clear(): void
}

export interface Clock {
  /**
   * Wall clock: milliseconds since the epoch. For moments that others read too (the store, people,
   * vendors). It may be set back or forward at any time.
   */
  now: () => number
  /**
   * Monotonic clock: whole milliseconds since an unspecified moment. It never jumps and never goes
   * back. For durations and deadlines, which mean nothing to others.
   */
  monotonicMs: () => number
  /** Runs `run` once, `delayMs` from now. */
  setTimer: (run: () => void, delayMs: number) => Timer
}

/** What sets timers; all that a waiting function needs of a clock. */
export type Timers = Pick<Clock, 'setTimer'>

/** Runs `run` every `intervalMs` until the timer is cleared. */
export function every({ setTimer }: Timers, run: () => void, intervalMs: number): Timer {
  const tick = () => {
    timer = setTimer(tick, intervalMs)
    run()
  }
  let timer = setTimer(tick, intervalMs)
  return { clear: () => timer.clear() }
}

/** Resolves after `delayMs`, or as soon as `signal` is aborted. */
export function sleep({ setTimer }: Timers, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const end = () => {
      timer.clear()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimer(end, delayMs)
    signal?.addEventListener('abort', end)
  })
}
