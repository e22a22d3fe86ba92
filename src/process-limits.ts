/** Limits that hold inside one process only; nothing of them is stored. */

/** A place that was taken. */
export interface Place {
  /** How many places were taken before, of any key. */
  number: number
  /** Ends it; to be called once. */
  leave(): void
}

export interface ConcurrencyLimit {
  /** Takes a place for `keyId`; undefined when that key has as many as it may. */
  enter(keyId: string): Place | undefined
}

/** Lets each key have `maxPlaces` places at a time. */
export function createConcurrencyLimit(maxPlaces: number): ConcurrencyLimit {
  const taken = new Map<string, number>()
  let entries = 0
  return {
    enter(keyId) {
      const others = taken.get(keyId) ?? 0
      if (others >= maxPlaces) return undefined
      taken.set(keyId, others + 1)
      return {
        number: entries++,
        leave() {
          const left = (taken.get(keyId) ?? 1) - 1
          if (left > 0) taken.set(keyId, left)
          else taken.delete(keyId)
        },
      }
    },
  }
}

export interface RateLimit {
  /** Counts one use by `keyId`; false when it is one too many for this minute. */
  allows(keyId: string): boolean
}

/** With more keys in memory than this, all counts begin anew. */
const maxCountedKeys = 10_000

/** Lets each key do something `perMinute` times a minute. */
export function createRateLimit(perMinute: number, monotonicMs: () => number): RateLimit {
  const used = new Map<string, { minute: number; count: number }>()
  return {
    allows(keyId) {
      const minute = Math.floor(monotonicMs() / 60_000)
      const known = used.get(keyId)
      const count = known?.minute === minute ? known.count + 1 : 1
      if (used.size >= maxCountedKeys) used.clear()
      used.set(keyId, { minute, count })
      return count <= perMinute
    },
  }
}

export interface Turns {
  /**
   * Runs `work` when it is its turn, in the order of asking.
   * @returns undefined, without having run it, when too many wait already; else what `work` gives.
   */
  take<Result>(work: () => Promise<Result>): Promise<{ result: Result } | undefined>
}

/** Lets `maxRunning` run at a time, and at most `maxWaiting` more wait. */
export function createTurns(maxRunning: number, maxWaiting: number): Turns {
  const waiting: (() => void)[] = []
  let running = 0
  return {
    async take(work) {
      if (running < maxRunning) running++
      else if (waiting.length >= maxWaiting) return undefined
      else await new Promise<void>((resolve) => waiting.push(resolve))
      try {
        return { result: await work() }
      } finally {
        const next = waiting.shift()
        // The next in the queue takes over the place, so that no other can come in between.
        if (next) next()
        else running--
      }
    },
  }
}
