/** A time-out that progress postpones, with one timer however often it is touched. */
import type { Clock } from '../../clock.ts'

export interface Watchdog {
  /** Progress was made: allow `timeoutMs` from now. */
  touch(timeoutMs: number): void
  stop(): void
}

/** Calls `onTimeout` once, `timeoutMs` after the last touch, whatever happens to the wall clock. */
export function createWatchdog(
  { monotonicMs, setTimer }: Clock,
  timeoutMs: number,
  onTimeout: () => void,
): Watchdog {
  let dueMs = monotonicMs() + timeoutMs
  let timer = setTimer(check, timeoutMs)
  let timerMs = dueMs
  function checkIn(leftMs: number) {
    timerMs = monotonicMs() + leftMs
    timer = setTimer(check, leftMs)
  }
  function check() {
    const leftMs = dueMs - monotonicMs()
    if (leftMs > 0) return checkIn(leftMs)
    // Timers go before sockets: what arrived while this process was busy deserves one more turn.
    timer = setTimer(confirm, 0)
  }
  function confirm() {
    if (dueMs > monotonicMs()) check()
    else onTimeout()
  }
  return {
    touch(nextTimeoutMs) {
      dueMs = monotonicMs() + nextTimeoutMs
      // A timer that runs is kept: it finds out by itself that there is more time.
      if (dueMs >= timerMs) return
      timer.clear()
      checkIn(nextTimeoutMs)
    },
    stop: () => timer.clear(),
  }
}
