/** Reads the usage of Anthropic answers, streamed or whole (docs.anthropic.com, Messages API). */
import type { EventSourceMessage } from 'eventsource-parser'
import { z } from 'zod'
import type { UpstreamError } from '../domain/upstream-error.ts'
import { estimateTokens, type Usage } from '../domain/usage.ts'
import { parseJson } from '../json.ts'
import { WireError } from './anthropic-errors.ts'
import type { EventKind, UsageReader } from './dialect.ts'

/** A count beyond reason is left out: it must not reach the usage ledger. */
const count = z.int().nonnegative().max(1e9).nullish().catch(undefined)

/** The usage object of `message`, `message_start` and `message_delta`; other fields pass unread. */
const WireUsage = z.object({
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  cache_creation: z
    .object({ ephemeral_5m_input_tokens: count, ephemeral_1h_input_tokens: count })
    .nullish()
    .catch(undefined),
  server_tool_use: z.object({ web_search_requests: count }).nullish().catch(undefined),
})

const wireUsage = WireUsage.nullish().catch(undefined)

const WireEvent = z.object({
  type: z.string(),
  usage: wireUsage,
  message: z.object({ usage: wireUsage }).nullish().catch(undefined),
})

const WireAnswer = z.object({
  type: z.literal('message'),
  usage: wireUsage,
  content: z.unknown().optional(),
})

const kinds = new Map<string, EventKind>([
  ['content_block_start', 'content'],
  ['content_block_delta', 'content'],
  ['content_block_stop', 'content'],
  ['message_delta', 'content'],
  ['message_stop', 'content'],
  ['error', 'error'],
])

/** A delta without its text. Nine of ten events are deltas, so they are measured instead of parsed. */
const emptyDelta = JSON.stringify({
  type: 'content_block_delta',
  index: 0,
  delta: { type: 'text_delta', text: '' },
})

/** @param requestBytes size of the request, from which unreported input is estimated. */
export function createUsageReader(requestBytes: number): UsageReader {
  // The last non-null value of each field counts: message_delta is cumulative and may be partial.
  const seen: Record<string, number> = {}
  let state: ReturnType<UsageReader['state']> = 'open'
  let failure: UpstreamError | undefined
  let contentCharacters = 0

  const note = (name: string, value: number | null | undefined) => {
    if (value !== null && value !== undefined) seen[name] = value
  }
  const read = (usage: z.infer<typeof wireUsage>) => {
    if (!usage) return
    note('input', usage.input_tokens)
    note('output', usage.output_tokens)
    note('cacheWrite', usage.cache_creation_input_tokens)
    note('cacheWrite5m', usage.cache_creation?.ephemeral_5m_input_tokens)
    note('cacheWrite1h', usage.cache_creation?.ephemeral_1h_input_tokens)
    note('cacheRead', usage.cache_read_input_tokens)
    note('webSearch', usage.server_tool_use?.web_search_requests)
  }

  const fail = (body: unknown) => {
    state = 'failed'
    failure = WireError.safeParse(body).data?.error ?? {}
  }

  return {
    event(message: EventSourceMessage): EventKind {
      if (message.event === 'content_block_delta') {
        contentCharacters += Math.max(0, message.data.length - emptyDelta.length)
        return 'content'
      }
      const event = parseEvent(message.data)
      if (!event) return 'preamble'
      read(event.message?.usage)
      read(event.usage)
      if (event.type === 'message_stop') state = 'complete'
      if (event.type === 'error') fail(parseJson(message.data))
      return kinds.get(event.type) ?? 'preamble'
    },
    answer(body: unknown): boolean {
      const answer = WireAnswer.safeParse(body).data
      if (!answer) return false
      read(answer.usage)
      contentCharacters = JSON.stringify(answer.content ?? '').length
      state = 'complete'
      return true
    },
    state: () => state,
    failure: () => failure,
    total() {
      const isReported = seen.input !== undefined && seen.output !== undefined
      const estimated = state !== 'complete' || !isReported
      const cacheWrite1hTokens = seen.cacheWrite1h ?? 0
      const cacheWrite = seen.cacheWrite ?? (seen.cacheWrite5m ?? 0) + cacheWrite1hTokens
      const usage: Usage = {
        inputTokens: seen.input ?? estimateTokens(requestBytes),
        outputTokens: Math.max(seen.output ?? 0, estimated ? estimateTokens(contentCharacters) : 0),
        cacheWrite5mTokens: Math.max(0, cacheWrite - cacheWrite1hTokens),
        cacheWrite1hTokens,
        cacheReadTokens: seen.cacheRead ?? 0,
        webSearchRequests: seen.webSearch ?? 0,
      }
      return { usage, estimated }
    },
  }
}

const parseEvent = (data: string): z.infer<typeof WireEvent> | undefined =>
  WireEvent.safeParse(parseJson(data)).data
