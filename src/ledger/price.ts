/** Prices usage by the vendors' public price list, in integer nano-USD, and never by a guess. */

import { calcPrice, type MatchLogic, type ModelInfo } from '@pydantic/genai-prices'
import type { Usage } from '../domain/usage.ts'
import { toNanoUsd } from '../money.ts'

/** The vendor whose price list counts, as the list names it. */
export type PriceProvider = 'anthropic' | 'openai'

export interface PriceInput {
  provider: PriceProvider
  /** The model as it was sent upstream. */
  model: string
  usage: Usage
  /** When the tokens were used: list prices change on dates. */
  atMs: number
}

/**
 * The list price of `usage`, rounded once. `unpriced` if the list does not name the model; an
 * admin's own price may then apply, but no similar model's.
 */
export function priceUsage(input: PriceInput): { costNanoUsd: number } | 'unpriced' {
  const { provider, usage, atMs } = input
  const model = input.model.toLowerCase()
  const result = calcPrice(billable(usage), model, {
    providerId: provider,
    timestamp: new Date(atMs),
  })
  if (!result || !isNamed(result.model, model)) return 'unpriced'
  const { input_mtok, output_mtok } = result.model_price
  if (input_mtok === undefined || output_mtok === undefined) return 'unpriced'
  return { costNanoUsd: toNanoUsd(result.total_price) }
}

/**
 * Our counts in the list's terms: its input includes the cache counts, its cache writes include
 * the one-hour ones, and its tiers go by that whole input.
 */
function billable(usage: Usage) {
  const write1h = count(usage.cacheWrite1hTokens)
  const write = count(usage.cacheWrite5mTokens) + write1h
  const read = count(usage.cacheReadTokens)
  return {
    input_tokens: count(usage.inputTokens) + write + read,
    cache_read_tokens: read,
    cache_write_tokens: write,
    cache_write_1h_tokens: write1h,
    output_tokens: count(usage.outputTokens),
    web_searches: count(usage.webSearchRequests),
  }
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
