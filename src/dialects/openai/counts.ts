/** Reads the token counts of OpenAI answers (openai SDK 7.57: `ResponseUsage`, `CompletionUsage`). */
import { noUsage, type Usage } from '../../domain/usage.ts'

/** More than any model's context holds: such a count must not reach the usage ledger. */
const maxTokens = 10_000_000

type Fields = Record<string, unknown>

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const asObject = (value: unknown): Fields => (isObject(value) ? value : {})

/** Longer than the name of any model. */
const maxWordLength = 256

/** Whether it is a short word, such as the name of a model. */
export const isWord = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= maxWordLength

/** A count, also written as a string, as some relays do; undefined for anything else. */
export function countOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,8}$/.test(value) ? Number(value) : value
  const isCount = Number.isSafeInteger(number) && Number(number) >= 0 && Number(number) <= maxTokens
  return isCount ? Number(number) : undefined
}

/** The counts of one answer, in the terms of the usage ledger. */
export type TokenCounts = Pick<
  Usage,
  | 'inputTokens'
  | 'outputTokens'
  | 'cacheReadTokens'
  | 'cacheWrite30mTokens'
  | 'cacheWrite12hTokens'
  | 'reasoningTokens'
>

/**
 * The counts of a `usage` object of Responses or of Chat Completions; undefined when it names neither
 * input nor output. Reads and writes of the cache are part of the vendor's input count, not of ours.
 */
export function tokenCounts(usage: unknown): TokenCounts | undefined {
  if (!isObject(usage)) return undefined
  const input = countOf(usage.input_tokens) ?? countOf(usage.prompt_tokens)
  const output = countOf(usage.output_tokens) ?? countOf(usage.completion_tokens)
  if (input === undefined && output === undefined) return undefined
  const inputDetails = asObject(usage.input_tokens_details ?? usage.prompt_tokens_details)
  const outputDetails = asObject(usage.output_tokens_details ?? usage.completion_tokens_details)
  const whole = input ?? 0
  // Never more than the whole: a wrong detail must not make the rest negative.
  const cacheReadTokens = Math.min(countOf(inputDetails.cached_tokens) ?? 0, whole)
  const lifetimes = asObject(inputDetails.cache_write_tokens_details)
  const named12h = countOf(lifetimes.ttl_12h_tokens) ?? 0
  const written = countOf(inputDetails.cache_write_tokens) ?? 0
  const named = (countOf(lifetimes.ttl_30m_tokens) ?? 0) + named12h
  const cacheWriteTokens = Math.min(Math.max(written, named), whole - cacheReadTokens)
  const cacheWrite12hTokens = Math.min(named12h, cacheWriteTokens)
  const outputTokens = output ?? 0
  return {
    inputTokens: whole - cacheReadTokens - cacheWriteTokens,
    outputTokens,
    cacheReadTokens,
    // A write whose lifetime is not named is kept for thirty minutes.
    cacheWrite30mTokens: cacheWriteTokens - cacheWrite12hTokens,
    cacheWrite12hTokens,
    reasoningTokens: Math.min(countOf(outputDetails.reasoning_tokens) ?? 0, outputTokens),
  }
}

/** Whether all counts are zero. */
export const isEmpty = (counts: TokenCounts): boolean =>
  Object.values(counts).every((count) => count === 0)

/** What was counted, in the terms of the usage ledger; undefined where that is nothing. */
export const reportedUsage = (counts: TokenCounts | undefined): Usage | undefined =>
  counts && !isEmpty(counts) ? { ...noUsage, ...counts } : undefined
