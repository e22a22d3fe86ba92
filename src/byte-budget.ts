/** A bound on what one process keeps in memory at a time. */
import { type Clock, sleep } from './clock.ts'

/** Bytes that are kept. */
export interface KeptBytes {
  /** Fewer are kept than were asked for; no effect when it is not fewer. */
  shrink(bytes: number): void
  /** None are kept any more; may be called more than once. */
  release(): void
}

export interface ByteBudget {
  /**
   * Keeps `bytes`, in the order of asking; waits while there is no room. More than the whole budget
   * has room when nothing else is kept.
   * @returns undefined when too many wait, when the wait was too long, or when `signal` was aborted.
   */
  keep(bytes: number, signal: AbortSignal): Promise<KeptBytes | undefined>
}

interface Bounds {
  maxBytes: number
  maxWaiting: number
  maxWaitMs: number
}

/** One that waits asks again so often: on Workers a request cannot be woken up by another one. */
const pollMs = 20

export function createByteBudget(bounds: Bounds, clock: Clock): ByteBudget {
  const { maxBytes, maxWaiting, maxWaitMs } = bounds
  const waiting = new Set<symbol>()
  let keptBytes = 0

  /** Checks and takes in one step, so that no other request comes in between. */
  const take = (bytes: number) => {
    const hasRoom = keptBytes === 0 || keptBytes + bytes <= maxBytes
    if (hasRoom) keptBytes += bytes
    return hasRoom
  }
  const isNext = (place: symbol) => waiting.keys().next().value === place

  async function waitAndTake(bytes: number, signal: AbortSignal): Promise<boolean> {
    if (waiting.size >= maxWaiting) return false
    const place = Symbol('place')
    const untilMs = clock.monotonicMs() + maxWaitMs
    waiting.add(place)
    try {
      while (!signal.aborted && clock.monotonicMs() < untilMs) {
        await sleep(clock, pollMs, signal)
        if (!signal.aborted && isNext(place) && take(bytes)) return true
      }
      return false
    } finally {
      waiting.delete(place)
    }
  }

  return {
    async keep(bytes, signal) {
      const isTaken = (waiting.size === 0 && take(bytes)) || (await waitAndTake(bytes, signal))
      if (!isTaken) return undefined
      let mine = bytes
      const keepOnly = (fewer: number) => {
        keptBytes -= Math.max(0, mine - fewer)
        mine = Math.min(mine, fewer)
      }
      return { shrink: keepOnly, release: () => keepOnly(0) }
    },
  }
}
