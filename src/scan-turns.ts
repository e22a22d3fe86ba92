/** Shares the time of one process among scans of bodies: all of them together take only so much at a stretch. */
import { sleep, type Timers } from './clock.ts'

export interface ScanTurns {
  /**
   * Waits until `bytes` may be scanned, in the order of asking; undefined when they may be at once.
   * Each turn of the event loop has room for so many bytes, whatever the number of requests.
   */
  take(bytes: number): Promise<void> | undefined
}

/**
 * @param isShared false where a request must not wait for another one: then each waits for a turn of
 * its own.
 */
export function createScanTurns(
  timers: Timers,
  bytesPerTurn: number,
  isShared: boolean,
): ScanTurns {
  if (!isShared) return { take: () => sleep(timers, 0) }
  const waiting: { bytes: number; go: () => void }[] = []
  let left = bytesPerTurn
  let isTimed = false

  const beginTurnLater = () => {
    if (isTimed) return
    isTimed = true
    timers.setTimer(beginTurn, 1)
  }
  const beginTurn = () => {
    isTimed = false
    left = bytesPerTurn
    while (left > 0) {
      const next = waiting.shift()
      if (!next) break
      left -= next.bytes
      next.go()
    }
    if (left < bytesPerTurn) beginTurnLater()
  }

  return {
    take(bytes) {
      beginTurnLater()
      if (waiting.length === 0 && left > 0) {
        left -= bytes
        return undefined
      }
      return new Promise((go) => waiting.push({ bytes, go }))
    },
  }
}
