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
    // Timers go before sockets: what arrived while this process was busy deserves one more turn.
    timer = leftMs > 0 ? setTimeout(check, leftMs) : setTimeout(confirm, 0)
  }
  function confirm() {
    if (dueMs > now()) check()
    else onTimeout()
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
