/** Histograms of durations that can be added up: how many fell into each of a few fixed ranges. */

/** The upper ends of the ranges, in milliseconds; the last range has none. Part of the stored sums: never changed. */
export const histogramEndsMs = [
  250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000,
] as const

/** The number of the range that a duration falls into, from 0. */
export function rangeOf(durationMs: number): number {
  const range = histogramEndsMs.findIndex((endMs) => durationMs <= endMs)
  return range < 0 ? histogramEndsMs.length : range
}

/**
 * The duration that a part (0 to 1) of those counted did not exceed, to the width of a range, within
 * which it is taken to rise evenly; in milliseconds. Undefined where nothing was counted.
 */
export function percentileMs(counts: readonly number[], part: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total <= 0) return undefined
  let left = part * total
  for (const [range, count] of counts.entries()) {
    const startMs = histogramEndsMs[range - 1] ?? 0
    const endMs = histogramEndsMs[range]
    // Of the last range nothing is known but where it begins.
    if (endMs === undefined) return startMs
    if (left <= count) return startMs + (count > 0 ? left / count : 0) * (endMs - startMs)
    left -= count
  }
  return histogramEndsMs.at(-1)
}
