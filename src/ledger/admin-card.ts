/** The price that an administrator has set, as a card. */
import type { ModelPrice } from '../catalog/model-price.ts'
import type { PriceCard, Rates } from './price-card.ts'

/** A record never changes: an edit makes another one. */
const known = new WeakMap<ModelPrice, PriceCard>()

/** The card of a price; its table is named by when it was set. */
export function adminCard(price: ModelPrice): PriceCard {
  const remembered = known.get(price)
  if (remembered) return remembered
  const { longContext: long, webSearch } = price
  const bands = [{ aboveInputTokens: -1, rates: ratesOf(price, webSearch) }]
  if (long) {
    bands.push({ aboveInputTokens: long.aboveInputTokens, rates: ratesOf(long, webSearch) })
  }
  const source = price.accountId === null ? 'model' : 'account'
  const card: PriceCard = { source, table: `admin-${price.updatedAt}`, bands }
  known.set(price, card)
  return card
}

type Given = Omit<NonNullable<ModelPrice['longContext']>, 'aboveInputTokens'>

function ratesOf({ input, output, ...rest }: Given, webSearch: number): Rates {
  const { cacheRead, cacheWrite5m, cacheWrite1h, cacheWrite30m, cacheWrite12h } = rest
  return {
    input,
    output,
    cacheRead: cacheRead ?? input,
    cacheWrite5m: cacheWrite5m ?? input,
    cacheWrite1h: cacheWrite1h ?? input,
    cacheWrite30m: cacheWrite30m ?? input,
    cacheWrite12h: cacheWrite12h ?? input,
    webSearch,
  }
}
