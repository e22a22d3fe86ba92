/** Money: integer nano-USD inside, USD in settings and answers. */

const nanoPerUsd = 1e9

/** USD as an admin writes it → nano-USD, rounded once. */
export const toNanoUsd = (usd: number): number => Math.round(usd * nanoPerUsd)

/** The same for a limit: one that is set stays one, however small. */
export const toNanoUsdLimit = (usd: number): number => (usd > 0 ? Math.max(1, toNanoUsd(usd)) : 0)

/** Nano-USD → USD, for answers; a difference of two such numbers is not exact. */
export const toUsd = (nanoUsd: number): number => nanoUsd / nanoPerUsd

/** Nano-USD times the multiplier of an account, of which six decimals count; rounded once. */
export const multiplied = (nanoUsd: number, multiplier: number): number =>
  multiplier === 1 ? nanoUsd : Math.round((nanoUsd * Math.round(multiplier * 1e6)) / 1e6)

// Made at first use: it loads the data of a language, and a Worker should not start slower for it.
let currency: Intl.NumberFormat | undefined

/** Nano-USD as people read it, such as `$1.25`, to a millionth of a dollar. */
export function formatUsd(nanoUsd: number): string {
  currency ??= new Intl.NumberFormat('en-US', {
    style: 'currency',
    currency: 'USD',
    maximumFractionDigits: 6,
  })
  return currency.format(toUsd(nanoUsd))
}
