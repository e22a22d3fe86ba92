/** Prices usage by the vendors' public price list, in integer nano-USD, and never by a guess. */

import { calcPrice, type MatchLogic, type ModelInfo } from '@pydantic/genai-prices'
import type { Platform } from '../domain/platform.ts'
import { estimateTokens, noUsage, type Usage } from '../domain/usage.ts'
import { toNanoUsd } from '../money.ts'

/** Output tokens that a hold assumes at most, and when the client names no bound. */
export const holdOutputTokens = 4096

export interface PriceInput {
  platform: Platform
  /** The model as it was sent upstream. */
  model: string
  usage: Usage
  /** When the tokens were used: list prices change on dates. */
  atMs: number
}

const providerId: Record<Platform, string> = { 'claude-console': 'anthropic', codex: 'openai' }

/**
 * The list price of `usage`, rounded once. `unpriced` if the list does not name the model; an
 * admin's own price may then apply, but no similar model's.
 */
export function priceUsage(input: PriceInput): { costNanoUsd: number } | 'unpriced' {
  const { platform, usage, atMs } = input
  const model = input.model.toLowerCase()
  const result = calcPrice(billable(usage), model, {
    providerId: providerId[platform],
    timestamp: new Date(atMs),
  })
  if (!result || !isNamed(result.model, model)) return 'unpriced'
  const { input_mtok, output_mtok } = result.model_price
  if (input_mtok === undefined || output_mtok === undefined) return 'unpriced'
  return { costNanoUsd: toNanoUsd(result.total_price) }
}

/** Nano-USD a token, by platform and model; the caller names the model, so this is bounded. */
const holdRates = new Map<string, { input: number; output: number; pricedAtMs: number }>()
const maxHoldRates = 1_000
const holdRateMs = 60 * 60_000
const sampleTokens = 1_000

/**
 * What to hold of a budget for a request that is about to start, in nano-USD: its body as input
 * without any cache, and `maxTokens` of output, at most `holdOutputTokens`. 0 if unpriced.
 */
export function estimateHold(request: {
  platform: Platform
  model: string
  bodyBytes: number
  maxTokens: number | undefined
  atMs: number
}): number {
  const { input, output } = holdRate(request)
  const inputTokens = estimateTokens(request.bodyBytes)
  const outputTokens = Math.min(request.maxTokens ?? holdOutputTokens, holdOutputTokens)
  return Math.round(input * inputTokens + output * outputTokens)
}

function holdRate({ platform, model, atMs }: Omit<PriceInput, 'usage'>) {
  const name = `${platform}:${model}`
  const known = holdRates.get(name)
  if (known && Math.abs(atMs - known.pricedAtMs) < holdRateMs) return known
  const rateOf = (usage: Partial<Usage>) => {
    const price = priceUsage({ platform, model, usage: { ...noUsage, ...usage }, atMs })
    return price === 'unpriced' ? 0 : price.costNanoUsd / sampleTokens
  }
  const rate = {
    input: rateOf({ inputTokens: sampleTokens }),
    output: rateOf({ outputTokens: sampleTokens }),
    pricedAtMs: atMs,
  }
  if (holdRates.size >= maxHoldRates) holdRates.clear()
  holdRates.set(name, rate)
  return rate
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

/** A nonsensical count from an upstream must not keep a settlement from being booked. */
const count = (value: number) => (Number.isFinite(value) && value > 0 ? value : 0)

/** The additions that name a snapshot or a longer context of the same model, at the same price. */
const sameModel = /(-latest|[-@]\d{8}|-\d{4}-\d{2}-\d{2})?(\[1m\])?$/

/**
 * Whether the list means this very model. It also matches by prefix, which would give
 * `claude-opus-4-10` or a dearer `…-fast` variant the price of an older model.
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
