/** A bound on what one process keeps in memory at a time. */
import { type Clock, sleep } from './clock.ts'

/** Bytes that are kept. */
export interface KeptBytes {
  /**
   * Keeps `bytes` in all, where that is more; waits while there is no room, before all that have just
   * begun. More than the whole budget has room when nothing else is kept.
   * @returns false when the wait was too long, or the signal was aborted; also for the one that came
   * last where all that is kept waits to grow, since none of them would ever go on.
   */
  grow(bytes: number): Promise<boolean>
  /** Fewer are kept than were asked for; no effect when it is not fewer. */
  shrink(bytes: number): void
  /** None are kept any more; may be called more than once. */
  release(): void
}

export interface ByteBudget {
  /**
   * Keeps `bytes`, in the order of asking; waits while there is no room. More than the whole budget
   * has room when nothing else is kept.
   * @param signal ends this wait, and those of `grow`.
   * @returns undefined when too many wait, when the wait was too long, or when `signal` was aborted.
   */
  keep(bytes: number, signal: AbortSignal): Promise<KeptBytes | undefined>
}

interface Bounds {
  maxBytes: number
  maxWaiting: number
  maxWaitMs: number
}

/** What one request keeps. */
interface Share {
  bytes: number
}

/** One that waits asks again so often: on Workers a request cannot be woken up by another one. */
const pollMs = 20

export function createByteBudget(bounds: Bounds, clock: Clock): ByteBudget {
  const { maxBytes, maxWaiting, maxWaitMs } = bounds
  const waiting = new Set<symbol>()
  /** In the order in which they began. */
  const shares = new Set<Share>()
  /** For those that wait to grow: how much they need in all. */
  const growing = new Map<Share, number>()
  let keptBytes = 0

  const hasRoom = (share: Share, bytes: number) => {
    const others = keptBytes - share.bytes
    return others === 0 || others + bytes <= maxBytes
  }
  /** Checks and takes in one step, so that no other request comes in between. */
  const take = (share: Share, bytes: number) => {
    if (!hasRoom(share, bytes)) return false
    shares.add(share)
    keptBytes += bytes - share.bytes
    share.bytes = bytes
    return true
  }
  const keepOnly = (share: Share, fewer: number) => {
    keptBytes -= Math.max(0, share.bytes - fewer)
    share.bytes = Math.min(share.bytes, fewer)
    if (share.bytes === 0) shares.delete(share)
  }

  const isNext = (place: symbol) => waiting.keys().next().value === place
  const firstGrowing = () => [...shares].find((share) => growing.has(share))
  const isStuckLast = (share: Share) => {
    const [first] = shares
    if (growing.size < shares.size || [...shares].at(-1) !== share || !first) return false
    return !hasRoom(first, growing.get(first) ?? 0)
  }

  /** Asks `step` again and again until it says something, or until the wait is over. */
  async function poll(signal: AbortSignal, step: () => boolean | undefined): Promise<boolean> {
    const untilMs = clock.monotonicMs() + maxWaitMs
    while (!signal.aborted && clock.monotonicMs() < untilMs) {
      await sleep(clock, pollMs, signal)
      const said = signal.aborted ? false : step()
      if (said !== undefined) return said
    }
    return false
  }

  /** Those that wait to grow come first: only their ends make room. */
  const takeUnlessGrowing = (share: Share, bytes: number) =>
    growing.size === 0 && take(share, bytes)

  async function waitAndTake(share: Share, bytes: number, signal: AbortSignal): Promise<boolean> {
    if (waiting.size >= maxWaiting) return false
    const place = Symbol('place')
    waiting.add(place)
    try {
      return await poll(
        signal,
        () => (isNext(place) && takeUnlessGrowing(share, bytes)) || undefined,
      )
    } finally {
      waiting.delete(place)
    }
  }

  async function grow(share: Share, bytes: number, signal: AbortSignal): Promise<boolean> {
    if (bytes <= share.bytes) return true
    if (takeUnlessGrowing(share, bytes)) return true
    growing.set(share, bytes)
    try {
      return await poll(signal, () => {
        if (firstGrowing() === share && take(share, bytes)) return true
        return isStuckLast(share) ? false : undefined
      })
    } finally {
      growing.delete(share)
    }
  }

  return {
    async keep(bytes, signal) {
      const share: Share = { bytes: 0 }
      const hasBegun = waiting.size === 0 && takeUnlessGrowing(share, bytes)
      if (!hasBegun && !(await waitAndTake(share, bytes, signal))) return undefined
      return {
        grow: (more) => grow(share, more, signal),
        shrink: (fewer) => keepOnly(share, fewer),
        release: () => keepOnly(share, 0),
      }
    },
  }
}
