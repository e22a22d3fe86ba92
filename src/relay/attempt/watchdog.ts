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
  function check() {
    const leftMs = dueMs - monotonicMs()
    // Timers go before sockets: what arrived while this process was busy deserves one more turn.
    timer = leftMs > 0 ? setTimer(check, leftMs) : setTimer(confirm, 0)
  }
  function confirm() {
    if (dueMs > monotonicMs()) check()
    else onTimeout()
  }
  return {
    touch(nextTimeoutMs) {
      const nextDueMs = monotonicMs() + nextTimeoutMs
      const isSooner = nextDueMs < dueMs
      dueMs = nextDueMs
      if (!isSooner) return
      timer.clear()
      timer = setTimer(check, nextTimeoutMs)
    },
    stop: () => timer.clear(),
  }
}
