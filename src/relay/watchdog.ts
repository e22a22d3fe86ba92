/** A time-out that progress postpones, with one timer however often it is touched. */

export interface Watchdog {
  /** Progress was made: allow `timeoutMs` from now. */
  touch(timeoutMs: number): void
  stop(): void
}

/** Calls `onTimeout` once, `timeoutMs` after the last touch. */
export function createWatchdog(
  now: () => number,
  timeoutMs: number,
  onTimeout: () => void,
): Watchdog {
  let dueMs = now() + timeoutMs
  let timer = setTimeout(check, timeoutMs)
  function check() {
    const leftMs = dueMs - now()
    if (leftMs <= 0) onTimeout()
    else timer = setTimeout(check, leftMs)
  }
  return {
    touch(nextTimeoutMs) {
      const nextDueMs = now() + nextTimeoutMs
      const sooner = nextDueMs < dueMs
      dueMs = nextDueMs
      if (!sooner) return
      clearTimeout(timer)
      timer = setTimeout(check, nextTimeoutMs)
    },
    stop: () => clearTimeout(timer),
  }
}
