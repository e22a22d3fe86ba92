/** What one request consumed, in the vendor's own counts. */

/** Token counts; `inputTokens` excludes the cache counts, as Anthropic reports them. */
export interface Usage {
  inputTokens: number
  outputTokens: number
  /** Written to the cache with a lifetime of five minutes. */
  cacheWrite5mTokens: number
  /** Written to the cache with a lifetime of one hour. */
  cacheWrite1hTokens: number
  cacheReadTokens: number
  webSearchRequests: number
  /** Written to the cache of OpenAI, which keeps it for thirty minutes. */
  cacheWrite30mTokens: number
  /** Written to the cache of OpenAI with a lifetime of twelve hours. */
  cacheWrite12hTokens: number
  /** Part of `outputTokens`: what the model thought. */
  reasoningTokens: number
}

/** What an answer names beside its counts, and what changes their price. */
export interface PriceFactors {
  /** The tier that really served the request, such as `flex` or `priority`. */
  serviceTier?: string | undefined
  /** The model that really answered. */
  servedModel?: string | undefined
  /** `fast` where the vendor's fast mode answered, which has prices of its own. */
  speed?: string | undefined
  /** Where it was answered, such as `us`. */
  inferenceGeo?: string | undefined
}

/** What a model beside the one that was asked has used for an answer; it bills at its own price. */
export interface ModelUsage {
  model: string
  usage: Usage
  /** Whether the usage of the whole answer counts it too. */
  isIncluded: boolean
}

export const noUsage: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
  cacheReadTokens: 0,
  webSearchRequests: 0,
  cacheWrite30mTokens: 0,
  cacheWrite12hTokens: 0,
  reasoningTokens: 0,
}

/** The largest context that a vendor offers at list price without asking for more. */
const longestEstimateTokens = 200_000

/**
 * Tokens in so many characters or bytes, where the vendor's own count is not known: about four each,
 * and never more than a context holds, since images count for far less than their bytes.
 */
export function estimateTokens(characters: number): number {
  return Math.min(Math.ceil(characters / 4), longestEstimateTokens)
}

const usageFields = Object.keys(noUsage) as (keyof Usage)[]

/** One count from each of both, by `combine`. */
export function combineUsage(a: Usage, b: Usage, combine: (a: number, b: number) => number): Usage {
  const counts = usageFields.map((field) => [field, combine(a[field], b[field])] as const)
  return Object.fromEntries(counts) as Record<keyof Usage, number>
}

/** The sum of both. */
export const addUsage = (a: Usage, b: Usage): Usage =>
  combineUsage(a, b, (one, other) => one + other)
