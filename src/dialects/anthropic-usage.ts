/** Reads the usage of Anthropic answers, streamed or whole (docs.anthropic.com, Messages API). */
import type { EventSourceMessage } from 'eventsource-parser'
import { z } from 'zod'
import type { UpstreamError } from '../domain/upstream-error.ts'
import { estimateTokens, noUsage, type Usage } from '../domain/usage.ts'
import { parseJson } from '../json.ts'
import { answerCharacters, deltaCharacters, isDelta } from './anthropic-characters.ts'
import { WireError } from './anthropic-errors.ts'
import type { EventKind, UsageReader } from './dialect.ts'

/** More than any model's context holds: such a count must not reach the usage ledger. */
const maxTokens = 10_000_000
const count = z.int().nonnegative().max(maxTokens).nullish().catch(undefined)

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

/** One of the runs of the model that an answer may consist of. */
const WireIteration = z.object({ type: z.string().catch(''), ...counts }).catch({ type: '' })

/** The usage object of `message`, `message_start` and `message_delta`; other fields pass unread. */
const WireUsage = z.object({
  ...counts,
  server_tool_use: z.object({ web_search_requests: count }).nullish().catch(undefined),
  iterations: z.array(WireIteration).nullish().catch(undefined),
})
type WireCounts = Partial<Omit<z.infer<typeof WireUsage>, 'server_tool_use' | 'iterations'>>

const wireUsage = WireUsage.nullish().catch(undefined)

const WireEvent = z.object({
  type: z.string(),
  usage: wireUsage,
  message: z.object({ usage: wireUsage }).nullish().catch(undefined),
  delta: z.looseObject({ stop_reason: z.string() }).nullish().catch(undefined),
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

/** The counts of the input side, by their lifetime in the cache. */
interface InputCounts {
  input?: number
  cacheWrite?: number
  cacheWrite5m?: number
  cacheWrite1h?: number
  cacheRead?: number
}

/**
 * @param requestBytes size of the request, from which unreported input is estimated.
 * @param outputLimit the request's `max_tokens`; more output than that for each run of the model is
 * not believed.
 */
export function createUsageReader(requestBytes: number, outputLimit?: number): UsageReader {
  // The last value of each field counts: message_delta is cumulative and may be partial.
  let input: InputCounts = {}
  let output: number | undefined
  let webSearchRequests = 0
  let iterations: z.infer<typeof WireIteration>[] = []
  let state: ReturnType<UsageReader['state']> = 'open'
  let hasStopReason = false
  let failure: UpstreamError | undefined
  let contentCharacters = 0

  const read = (usage: z.infer<typeof wireUsage>) => {
    if (!usage) return
    // Zeros may be placeholders, which erase no count.
    const named = inputCounts(usage)
    const sum = inputSum(named)
    const isNews = sum > 0 || inputSum(input) === 0
    if (isNews && sum <= maxTokens) input = { ...input, ...named }
    output = usage.output_tokens ?? output
    webSearchRequests = usage.server_tool_use?.web_search_requests ?? webSearchRequests
    iterations = usage.iterations ?? iterations
  }

  const fail = (body: unknown) => {
    state = 'failed'
    failure = WireError.safeParse(body).data?.error ?? {}
  }

  /** The reported output as far as the request allows it. */
  const believedOutput = () => {
    const runs = iterations.filter(({ type }) => type === 'message').length
    return outputLimit && output ? Math.min(output, outputLimit * Math.max(1, runs)) : output
  }

  return {
    event(message: EventSourceMessage): EventKind {
      if (message.event === 'content_block_delta' || isDelta.test(message.data)) {
        contentCharacters += deltaCharacters(message.data)
        return 'content'
      }
      const body = parseJson(message.data)
      const event = WireEvent.safeParse(body).data
      if (!event) return 'preamble'
      read(event.message?.usage)
      read(event.usage)
      if (event.type === 'content_block_delta') contentCharacters += deltaCharacters(message.data)
      if (event.type === 'message_delta' && event.delta) hasStopReason = true
      if (event.type === 'message_stop') state = 'complete'
      if (event.type === 'error') fail(body)
      return kinds.get(event.type) ?? 'preamble'
    },
    answer(body: unknown): boolean {
      const answer = WireAnswer.safeParse(body).data
      if (!answer) return false
      read(answer.usage)
      contentCharacters = answerCharacters(answer.content)
      state = 'complete'
      return true
    },
    ended() {
      if (hasStopReason && state === 'open') state = 'complete'
    },
    state: () => state,
    failure: () => failure,
    total() {
      const reported = believedOutput()
      const sum = inputSum(input)
      // Counts that are all zero are none, when there is an answer.
      const isNothing = sum === 0 && !output && contentCharacters > 0
      const isInputReported = (sum > 0 || input.input !== undefined) && !isNothing
      const isReported = isInputReported && reported !== undefined && reported === output
      const estimated = state !== 'complete' || !isReported
      const flat: Usage = {
        ...noUsage,
        ...classesOf(input),
        inputTokens: isInputReported ? (input.input ?? 0) : estimateTokens(requestBytes),
        outputTokens: Math.max(reported ?? 0, estimated ? estimateTokens(contentCharacters) : 0),
        webSearchRequests,
      }
      return { usage: withCompactions(flat, iterations), estimated }
    },
  }
}

function inputCounts(usage: WireCounts): InputCounts {
  const { cache_creation: written } = usage
  const named = {
    input: usage.input_tokens,
    cacheWrite: usage.cache_creation_input_tokens,
    cacheWrite5m: written?.ephemeral_5m_input_tokens,
    cacheWrite1h: written?.ephemeral_1h_input_tokens,
    cacheRead: usage.cache_read_input_tokens,
  }
  return Object.fromEntries(Object.entries(named).filter(([, value]) => typeof value === 'number'))
}

function inputSum(counts: InputCounts): number {
  const { input = 0, cacheRead = 0 } = counts
  const { cacheWrite5mTokens, cacheWrite1hTokens } = classesOf(counts)
  return input + cacheRead + cacheWrite5mTokens + cacheWrite1hTokens
}

/** A write whose lifetime is not named is kept for five minutes. */
function classesOf(counts: InputCounts) {
  const { cacheWrite5m = 0, cacheWrite1h: cacheWrite1hTokens = 0, cacheRead = 0 } = counts
  const written = counts.cacheWrite ?? cacheWrite5m + cacheWrite1hTokens
  return {
    cacheWrite5mTokens: Math.max(0, written - cacheWrite1hTokens),
    cacheWrite1hTokens,
    cacheReadTokens: cacheRead,
  }
}

/** Runs that shorten the conversation are not in the counts of the whole answer, all others are. */
function withCompactions(flat: Usage, iterations: z.infer<typeof WireIteration>[]): Usage {
  const sum = { ...flat }
  for (const iteration of iterations) {
    if (iteration.type !== 'compaction') continue
    const counts = inputCounts(iteration)
    const classes = classesOf(counts)
    sum.inputTokens += counts.input ?? 0
    sum.outputTokens += iteration.output_tokens ?? 0
    sum.cacheWrite5mTokens += classes.cacheWrite5mTokens
    sum.cacheWrite1hTokens += classes.cacheWrite1hTokens
    sum.cacheReadTokens += classes.cacheReadTokens
  }
  return sum
}
