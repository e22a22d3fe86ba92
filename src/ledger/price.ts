/** Prices usage by the vendors' public prices, in integer nano-USD, and never by a guess. */
import type { PriceFactors, Usage } from '../domain/usage.ts'
import { appliedFactors } from './factors.ts'
import { findListed, type ListedPrice, snapshotEnding } from './kept-list.ts'
import { fastRatesOf, findOverlaid } from './overlay.ts'
import { costOf, type PriceProvider } from './price-card.ts'

export type { PriceProvider } from './price-card.ts'

export interface ModelInput {
  provider: PriceProvider
  /** The model as it was sent upstream. */
  model: string
  /** When the tokens are used: list prices change on dates. */
  atMs: number
}

export interface PriceInput extends ModelInput {
  usage: Usage
  factors?: PriceFactors | undefined
}

/** The ending by which some clients ask for a longer context of the same model, at the same price. */
const longContext = /\[1m\]$/

/** A model's name as prices are kept by it. */
export const priceName = (model: string): string => model.toLowerCase().replace(longContext, '')

/**
 * The public price of a model: the overlay's, or else the kept list's; `unpriced` if neither names it. An
 * admin's own price may then apply, but no similar model's. It searches the whole list.
 */
export function findPrice({ provider, model: asked, atMs }: ModelInput): ListedPrice | 'unpriced' {
  const model = priceName(asked)
  const base = model.replace(snapshotEnding, '')
  const overlaid = findOverlaid(provider, model, atMs) ?? findOverlaid(provider, base, atMs)
  const found = overlaid
    ? { id: base, card: overlaid, isSameAllDay: true }
    : findListed(provider, model, atMs)
  if (found === 'unpriced') return found
  const fast = provider === 'anthropic' ? fastRatesOf(base) : undefined
  return fast ? { ...found, card: { ...found.card, fast } } : found
}

/** The public price of `usage`, rounded once. */
export function priceUsage({
  usage,
  factors = {},
  ...input
}: PriceInput): { costNanoUsd: number } | 'unpriced' {
  const found = findPrice(input)
  if (found === 'unpriced') return found
  const { provider, model } = input
  const { costNanoUsd } = costOf(
    found.card,
    usage,
    appliedFactors(provider, priceName(model), factors),
  )
  return { costNanoUsd }
}
