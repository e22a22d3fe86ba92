/** Reads the usage of OpenAI Chat Completions, streamed or whole (openai SDK 7.57: `ChatCompletionChunk`). */
import type { EventSourceMessage } from 'eventsource-parser'
import type { UpstreamError } from '../../domain/upstream-error.ts'
import { estimateTokens, noUsage, type PriceFactors } from '../../domain/usage.ts'
import { parseJson } from '../../json.ts'
import type { EventKind, UsageReader } from '../dialect.ts'
import {
  isEmpty,
  isObject,
  isWord,
  reportedUsage,
  type TokenCounts,
  tokenCounts,
} from './counts.ts'
import { chunkCharacters } from './deltas.ts'
import { errorFields } from './wire-error.ts'

/** The data of the event that ends a stream. */
export const endOfStream = '[DONE]'

/** What decides: nine of ten chunks have none of these and are not parsed. Text quotes them with a backslash. */
const decisive = /"(?:usage"\s*:\s*\{|error"\s*:|finish_reason"\s*:\s*")/
const hasChoice = /"choices"\s*:\s*\[\s*\{/

/**
 * @param requestBytes size of the request, from which unreported input is estimated. The request's bound
 * on output is not needed: it counts for each choice, and a request may ask for several.
 */
export function createUsageReader(requestBytes: number): UsageReader {
  let state: ReturnType<UsageReader['state']> = 'open'
  let counts: TokenCounts | undefined
  let factors: PriceFactors = {}
  let failure: UpstreamError | undefined
  let hasFinishReason = false
  let characters = 0

  const read = (chunk: Record<string, unknown>) => {
    counts = tokenCounts(chunk.usage) ?? counts
    const { service_tier: tier, model } = chunk
    if (isWord(tier)) factors = { ...factors, serviceTier: tier }
    if (isWord(model)) factors = { ...factors, servedModel: model }
  }

  const fail = (error: unknown): EventKind => {
    state = 'failed'
    failure = errorFields(error)
    return 'error'
  }

  return {
    event({ event, data }: EventSourceMessage): EventKind {
      if (data.trim() === endOfStream) {
        state = 'complete'
        return 'content'
      }
      const added = chunkCharacters(data)
      characters += added
      if (!decisive.test(data) && hasChoice.test(data)) {
        // The first chunk names only the role.
        return added > 0 || data.includes('"tool_calls"') ? 'content' : 'preamble'
      }
      const chunk = parseJson(data)
      if (!isObject(chunk)) return 'preamble'
      if (chunk.error || event === 'error') return fail(chunk.error ?? chunk)
      read(chunk)
      const choices = Array.isArray(chunk.choices) ? chunk.choices.filter(isObject) : []
      if (choices.some(({ finish_reason: reason }) => typeof reason === 'string')) {
        hasFinishReason = true
      }
      return choices.length > 0 || counts ? 'content' : 'preamble'
    },
    answer(body: unknown): boolean {
      if (!isObject(body) || !Array.isArray(body.choices)) return false
      read(body)
      characters = JSON.stringify(body.choices).length
      state = 'complete'
      return true
    },
    ended() {
      if (hasFinishReason && state === 'open') state = 'complete'
    },
    state: () => state,
    failure: () => failure,
    reported: () => reportedUsage(counts),
    total() {
      const isReported = counts !== undefined && !(isEmpty(counts) && characters > 0)
      const reported = isReported && counts ? counts : { inputTokens: estimateTokens(requestBytes) }
      const estimated = !isReported || state !== 'complete'
      const output = (isReported && counts?.outputTokens) || 0
      return {
        usage: {
          ...noUsage,
          ...reported,
          outputTokens: Math.max(output, isReported ? 0 : estimateTokens(characters)),
        },
        estimated,
        factors,
      }
    },
  }
}
