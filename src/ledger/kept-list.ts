/** The kept price list of `@pydantic/genai-prices`, as price cards. */
import { calcPrice, type MatchLogic, type ModelInfo, type ModelPrice } from '@pydantic/genai-prices'
import type { PriceCard, PriceProvider, Rates } from './price-card.ts'

/** The version of the list, which a test compares with the installed one. */
export const keptListVersion = 'genai-prices-0.1.8'

/** The prices of one model, as the list has them at one time. */
export interface ListedPrice {
  /** What the table calls the model, whatever alias it was asked by. */
  id: string
  card: PriceCard
  /** It is the same during the whole day (UTC). */
  isSameAllDay: boolean
}

/**
 * The card of a model, in lower case and without the ending of a longer context; `unpriced` if the list
 * does not name it. It searches the whole list.
 */
export function findListed(
  provider: PriceProvider,
  model: string,
  atMs: number,
): ListedPrice | 'unpriced' {
  const found = calcPrice({}, model, { providerId: provider, timestamp: new Date(atMs) })
  if (!found || !isNamed(found.model, model)) return 'unpriced'
  const { model_price: prices } = found
  if (prices.input_mtok === undefined || prices.output_mtok === undefined) return 'unpriced'
  const dated = Array.isArray(found.model.prices) ? found.model.prices : []
  const isSameAllDay = dated.every(({ constraint }) => constraint?.type !== 'time_of_date')
  return { id: found.model.id, card: cardOf(provider, prices), isSameAllDay }
}

function cardOf(provider: PriceProvider, prices: ModelPrice): PriceCard {
  const starts = Object.values(prices).flatMap((price) =>
    typeof price === 'object' ? price.tiers.map(({ start }) => start) : [],
  )
  const bands = [-1, ...new Set(starts)]
    .sort((a, b) => a - b)
    .map((start) => ({
      aboveInputTokens: provider === 'openai' ? lastCheap(start) : start,
      rates: ratesIn(provider, prices, start),
    }))
  return { source: 'list', table: keptListVersion, bands }
}

/** OpenAI's longer contexts begin above 272,000 tokens; the list has 271,999 for some. */
const lastCheap = (start: number) => (start === 271_999 ? 272_000 : start)

/** A class without a price costs what the class around it does; OpenAI's writes are multiples of the input. */
function ratesIn(provider: PriceProvider, prices: ModelPrice, start: number): Rates {
  const rate = (name: string) => {
    const price = prices[name]
    if (typeof price !== 'object') return price
    let found = price.base
    let from = -1
    for (const tier of price.tiers) {
      if (tier.start <= start && tier.start > from) {
        from = tier.start
        found = tier.price
      }
    }
    return found
  }
  const input = rate('input_mtok') ?? 0
  const write = rate('cache_write_mtok')
  const isOpenai = provider === 'openai'
  return {
    input,
    cacheRead: rate('cache_read_mtok') ?? input,
    cacheWrite5m: write ?? input,
    cacheWrite1h: rate('cache_write_1h_mtok') ?? write ?? input,
    cacheWrite30m: write ?? (isOpenai ? input * 1.25 : input),
    cacheWrite12h: isOpenai ? input * 2.5 : (write ?? input),
    output: rate('output_mtok') ?? 0,
    webSearch: rate('web_searches_kcount') ?? 0,
  }
}

/** Endings that name a snapshot of the same model, at the same price. */
export const snapshotEnding = /(-latest|[-@]\d{8}|-\d{4}-\d{2}-\d{2})$/

/**
 * Whether the list names exactly this model. The list also matches by prefix, which would give
 * `claude-opus-4-10` or a more expensive `…-fast` variant the price of an older model.
 */
function isNamed(info: ModelInfo, model: string): boolean {
  const base = model.replace(snapshotEnding, '')
  const names = (match: MatchLogic): boolean => {
    if ('or' in match) return match.or.some(names)
    if ('equals' in match) return [model, base].includes(match.equals.toLowerCase())
    if ('starts_with' in match) return match.starts_with.toLowerCase() === base
    return 'regex' in match && [model, base].some((name) => new RegExp(match.regex).test(name))
  }
  return info.id === base || info.id === model || names(info.match)
}
