/** The keys in memory: those that were used last, within a bound. */
import { type Entry, weightOf } from './entry.ts'

export interface Cache {
  get(key: string): Entry | undefined
  add(entry: Entry): void
  /** Counts bytes that an entry has gained or lost. */
  grow(bytes: number): void
  delete(key: string): void
  clear(): void
  /** Forgets the keys that were not used lately, where there are too many; none may have changed. */
  trim(): void
}

/**
 * Two generations: a key that is used moves to the young one. When that has half of the bytes, it
 * becomes the old one, and the keys that were still in the old one are forgotten.
 * @param bytes the bound, by the estimate of `weightOf`.
 */
export function createCache(bytes: number): Cache {
  let young = new Map<string, Entry>()
  let old = new Map<string, Entry>()
  let youngBytes = 0

  function add(entry: Entry) {
    young.set(entry.key, entry)
    youngBytes += weightOf(entry)
  }

  return {
    add,
    get(key) {
      const entry = young.get(key)
      if (entry !== undefined) return entry
      const kept = old.get(key)
      if (kept === undefined) return undefined
      old.delete(key)
      add(kept)
      return kept
    },
    grow(more) {
      youngBytes += more
    },
    delete(key) {
      const entry = young.get(key)
      if (entry !== undefined) youngBytes -= weightOf(entry)
      young.delete(key)
      old.delete(key)
    },
    clear() {
      young = new Map()
      old = new Map()
      youngBytes = 0
    },
    trim() {
      if (youngBytes < bytes / 2) return
      old = young
      young = new Map()
      youngBytes = 0
    },
  }
}
