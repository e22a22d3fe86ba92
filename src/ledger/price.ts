/** Prices usage by the vendors' public price list, in integer nano-USD, and never by a guess. */

import { calcPrice, type MatchLogic, type ModelInfo, type ModelPrice } from '@pydantic/genai-prices'
import type { Usage } from '../domain/usage.ts'
import { toNanoUsd } from '../money.ts'

/** The vendor whose price list counts, as the list names it. */
export type PriceProvider = 'anthropic' | 'openai'

export interface ModelInput {
  provider: PriceProvider
  /** The model as it was sent upstream. */
  model: string
  /** When the tokens are used: list prices change on dates. */
  atMs: number
}

export interface PriceInput extends ModelInput {
  usage: Usage
}

/** The prices of one model, as the list has them at one time. */
export interface ListPrice {
  prices: ModelPrice
  /** It is the same during the whole day (UTC). */
  isSameAllDay: boolean
}

/**
 * The prices of a model; `unpriced` if the list does not name it: an admin's own price may then
 * apply, but no similar model's. It searches the whole list.
 */
export function findPrice({ provider, model: asked, atMs }: ModelInput): ListPrice | 'unpriced' {
  const model = asked.toLowerCase()
  const found = calcPrice({}, model, { providerId: provider, timestamp: new Date(atMs) })
  if (!found || !isNamed(found.model, model)) return 'unpriced'
  const { model_price: prices } = found
  if (prices.input_mtok === undefined || prices.output_mtok === undefined) return 'unpriced'
  const dated = Array.isArray(found.model.prices) ? found.model.prices : []
  const isSameAllDay = dated.every(({ constraint }) => constraint?.type !== 'time_of_date')
  return { prices, isSameAllDay }
}

/** The list price of `usage`, rounded once. */
export function priceUsage({ usage, ...input }: PriceInput): { costNanoUsd: number } | 'unpriced' {
  const found = findPrice(input)
  return found === 'unpriced' ? found : { costNanoUsd: costNanoUsd(found, usage) }
}

/**
 * What `usage` costs, rounded once. The arithmetic is the list's own: a class of tokens without a price
 * costs what the class around it does, and the tiers go by the whole input, cache counts included.
 */
export function costNanoUsd({ prices }: ListPrice, usage: Usage): number {
  const write1h = count(usage.cacheWrite1hTokens)
  const openaiWrites = count(usage.cacheWrite30mTokens) + count(usage.cacheWrite12hTokens)
  const write = count(usage.cacheWrite5mTokens) + write1h + openaiWrites
  const read = count(usage.cacheReadTokens)
  const input = count(usage.inputTokens) + write + read
  const own = (name: string, tokens: number) => (prices[name] === undefined ? 0 : tokens)
  const own1h = own('cache_write_1h_mtok', write1h)
  const ownWrite = own('cache_write_mtok', write - own1h)
  const ownRead = own('cache_read_mtok', read)
  const usd = (name: string, units: number, per = 1e6) =>
    (rateOf(prices[name], input) * units) / per
  return toNanoUsd(
    usd('input_mtok', input - ownRead - ownWrite - own1h) +
      usd('cache_read_mtok', ownRead) +
      usd('cache_write_mtok', ownWrite) +
      usd('cache_write_1h_mtok', own1h) +
      usd('output_mtok', count(usage.outputTokens)) +
      usd('web_searches_kcount', count(usage.webSearchRequests), 1e3),
  )
}

/** The price of a class of tokens in a request with so many tokens of input. */
function rateOf(price: ModelPrice[string], inputTokens: number): number {
  if (typeof price !== 'object') return price ?? 0
  let rate = price.base
  let from = -1
  for (const tier of price.tiers) {
    if (inputTokens > tier.start && tier.start > from) {
      from = tier.start
      rate = tier.price
    }
  }
  return rate
}

/** A nonsensical count from an upstream counts as 0, so that the settlement can still be written. */
const count = (value: number) => (Number.isFinite(value) && value > 0 ? value : 0)

/** Endings that name a snapshot or a longer context of the same model, at the same price. */
const sameModel = /(-latest|[-@]\d{8}|-\d{4}-\d{2}-\d{2})?(\[1m\])?$/

/**
 * Whether the list names exactly this model. The list also matches by prefix, which would give
 * `claude-opus-4-10` or a more expensive `…-fast` variant the price of an older model.
 */
function isNamed(info: ModelInfo, model: string): boolean {
  const base = model.replace(sameModel, '')
  const names = (match: MatchLogic): boolean => {
    if ('or' in match) return match.or.some(names)
    if ('equals' in match) return [model, base].includes(match.equals.toLowerCase())
    if ('starts_with' in match) return match.starts_with.toLowerCase() === base
    return 'regex' in match && [model, base].some((name) => new RegExp(match.regex).test(name))
  }
  return info.id === base || info.id === model || names(info.match)
}
