/** Loads of the same record at the same time share one round trip. */

export interface SharedLoads<Result> {
  /**
   * The load of `id` that is under way, or else a new one. `isJoined`: it began before this call, and
   * may not show what has changed just before it.
   */
  join(id: string, load: () => Promise<Result>): { result: Promise<Result>; isJoined: boolean }
  /** A load that begins after this call; all that ask for one while another is under way share it. */
  fresh(id: string, load: () => Promise<Result>): Promise<Result>
}

interface Loading<Result> {
  result: Promise<Result>
  /** The one that begins when this one has ended. */
  next?: Promise<Result>
}

/** @param isShared false where a request must not wait for the work of another one: then each loads by itself. */
export function createSharedLoads<Result>(isShared: boolean): SharedLoads<Result> {
  const loading = new Map<string, Loading<Result>>()

  const begin = (id: string, load: () => Promise<Result>): Promise<Result> => {
    if (!isShared) return load()
    const entry: Loading<Result> = { result: load() }
    loading.set(id, entry)
    const end = () => {
      if (!entry.next) loading.delete(id)
    }
    entry.result.then(end, end)
    return entry.result
  }

  return {
    join(id, load) {
      const running = loading.get(id)
      return running
        ? { result: running.result, isJoined: true }
        : { result: begin(id, load), isJoined: false }
    },
    fresh(id, load) {
      const running = loading.get(id)
      if (!running) return begin(id, load)
      const beginNext = () => begin(id, load)
      running.next ??= running.result.then(beginNext, beginNext)
      return running.next
    },
  }
}
