/** The counts in a usage object of Anthropic's protocol, as vendors and relays write them. */
import { z } from 'zod'
import { addUsage, type ModelUsage, noUsage, type Usage } from '../../domain/usage.ts'

/** More than any model's context holds: such a count must not reach the usage ledger. */
export const maxTokens = 10_000_000

/** A count; some relays write it as a string. One that cannot be true is read as absent. */
function countOf(value: unknown): number | null | undefined {
  if (value === null) return null
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number)) return undefined
  return number >= 0 && number <= maxTokens ? number : undefined
}
// Every answer has several: one function costs less than a chain of schemas.
const count = z.unknown().transform(countOf).optional()

/** Longer than the name of any model. */
const maxWordLength = 256

/** A short word; what is none is read as absent. */
export function wordOf(value: unknown): string | undefined {
  const isWord = typeof value === 'string' && value !== '' && value.length <= maxWordLength
  return isWord ? value : undefined
}
const word = z.unknown().transform(wordOf).optional()

const counts = {
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  cache_creation: z
    .object({ ephemeral_5m_input_tokens: count, ephemeral_1h_input_tokens: count })
    .nullish()
    .catch(undefined),
}

/** The same in the words of OpenAI, which some relays keep. */
const openaiCounts = {
  prompt_tokens: count,
  completion_tokens: count,
  prompt_tokens_details: z.object({ cached_tokens: count }).nullish().catch(undefined),
}

/** One of the runs of a model that an answer may consist of. */
const WireIteration = z
  .object({ type: z.string().catch(''), model: z.string().nullish().catch(undefined), ...counts })
  .catch({ type: '' })
export type WireIteration = z.infer<typeof WireIteration>

/** Of the runs of an answer, so many are read. */
const maxIterations = 1_000
const first = (list: unknown) => (Array.isArray(list) ? list.slice(0, maxIterations) : list)

/** The usage object of `message`, `message_start` and `message_delta`; other fields pass unread. */
export const WireUsage = z.object({
  ...counts,
  ...openaiCounts,
  server_tool_use: z.object({ web_search_requests: count }).nullish().catch(undefined),
  speed: word,
  inference_geo: word,
  service_tier: word,
  iterations: z.preprocess(first, z.array(WireIteration).nullish()).catch(undefined).optional(),
})
type NotCounts = 'server_tool_use' | 'iterations' | 'speed' | 'inference_geo' | 'service_tier'
type WireCounts = Partial<Omit<z.infer<typeof WireUsage>, NotCounts>>

/** The counts of the input side, by their lifetime in the cache. */
export interface InputCounts {
  input?: number
  cacheWrite?: number
  cacheWrite5m?: number
  cacheWrite1h?: number
  cacheRead?: number
}

const inputClasses = ['input', 'cacheWrite', 'cacheWrite5m', 'cacheWrite1h', 'cacheRead'] as const

/** The counts that are named; OpenAI's where Anthropic's are missing or zero. */
export function inputCounts(usage: WireCounts): InputCounts {
  const { cache_creation: written } = usage
  const cacheRead = usage.cache_read_input_tokens ?? usage.prompt_tokens_details?.cached_tokens
  const named = {
    input: usage.input_tokens,
    cacheWrite: usage.cache_creation_input_tokens,
    cacheWrite5m: written?.ephemeral_5m_input_tokens,
    cacheWrite1h: written?.ephemeral_1h_input_tokens,
    cacheRead,
  }
  const counts: InputCounts = {}
  for (const name of inputClasses) {
    const value = named[name]
    if (typeof value === 'number') counts[name] = value
  }
  const { prompt_tokens: prompt } = usage
  if (!prompt || counts.input) return counts
  // A prompt in OpenAI's sense includes what came from the cache or went there.
  return { ...counts, input: Math.max(0, prompt - inputSum({ ...counts, input: 0 })) }
}

/** The output, undefined where it is not named. */
export const outputCount = ({ output_tokens: output, completion_tokens: completion }: WireCounts) =>
  (output || completion) ?? output ?? undefined

/** Tokens of the whole input. */
export function inputSum(counts: InputCounts): number {
  const { input = 0, cacheRead = 0 } = counts
  const { cacheWrite5mTokens, cacheWrite1hTokens } = classesOf(counts)
  return input + cacheRead + cacheWrite5mTokens + cacheWrite1hTokens
}

/** A write whose lifetime is not named is kept for five minutes. */
export function classesOf(counts: InputCounts) {
  const { cacheWrite5m = 0, cacheWrite1h: cacheWrite1hTokens = 0, cacheRead = 0 } = counts
  const written = counts.cacheWrite ?? cacheWrite5m + cacheWrite1hTokens
  return {
    cacheWrite5mTokens: Math.max(0, written - cacheWrite1hTokens),
    cacheWrite1hTokens,
    cacheReadTokens: cacheRead,
  }
}

/** Runs that shorten the conversation are not in the counts of the whole answer. */
export function withCompactions(flat: Usage, iterations: WireIteration[]): Usage {
  return iterations
    .filter(({ type }) => type === 'compaction')
    .reduce((sum, iteration) => addUsage(sum, usageOf(iteration)), flat)
}

/** Models that an answer may name beside its own; more are not believed. */
const maxModels = 8

/**
 * Runs of models that bill at their own price: an advisor, which the counts of the whole answer leave
 * out, and the fallback that took over an answer, which they include (usage.iterations of
 * @anthropic-ai/sdk 1.13.0; ccusage/ccusage#1115 shows such counts).
 */
export function otherModelsOf(iterations: WireIteration[]): ModelUsage[] {
  const found = new Map<string, ModelUsage>()
  for (const iteration of iterations) {
    const { type, model } = iteration
    const isIncluded = type === 'fallback_message'
    if (!isIncluded && type !== 'advisor_message') continue
    if (!model || wordOf(model) === undefined) continue
    if (inputSum(inputCounts(iteration)) > maxTokens) continue
    const name = `${type} ${model}`
    const usage = addUsage(found.get(name)?.usage ?? noUsage, usageOf(iteration))
    if (found.has(name) || found.size < maxModels) found.set(name, { model, usage, isIncluded })
  }
  return [...found.values()]
}

function usageOf(iteration: WireIteration): Usage {
  const counts = inputCounts(iteration)
  const inputTokens = counts.input ?? 0
  const outputTokens = outputCount(iteration) ?? 0
  return { ...noUsage, ...classesOf(counts), inputTokens, outputTokens }
}
