/** Draws that depend on a seed and on names alone, so that a storm can be repeated. */

export interface Draw {
  /** A whole number from 0 up to, but not including, `limit`. */
  below(limit: number): number
  /** True in so many of a hundred cases. */
  percent(share: number): boolean
  pick<T>(list: readonly T[]): T
  shuffle<T>(list: readonly T[]): T[]
}

/** FNV-1a (RFC 9923) for the names, mulberry32 for the numbers: quick, and spread well enough. */
export function drawOf(seed: number, ...names: (string | number)[]): Draw {
  let state = 0x811c9dc5 ^ seed
  for (const character of names.join('|')) {
    state = Math.imul(state ^ character.charCodeAt(0), 0x01000193)
  }
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    below,
    percent: (share) => below(100) < share,
    pick<T>(list: readonly T[]): T {
      const item = list[below(list.length)]
      if (item === undefined) throw new Error('There is nothing to draw from')
      return item
    },
    shuffle<T>(list: readonly T[]): T[] {
      const ranked = list.map((item) => ({ item, rank: next() }))
      return ranked.toSorted((a, b) => a.rank - b.rank).map(({ item }) => item)
    },
  }
}
