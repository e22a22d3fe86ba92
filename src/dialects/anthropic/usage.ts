/** Reads the usage of Anthropic answers, streamed or whole (docs.anthropic.com, Messages API). */
import type { EventSourceMessage } from 'eventsource-parser'
import { z } from 'zod'
import type { UpstreamError } from '../../domain/upstream-error.ts'
import { estimateTokens, noUsage, type PriceFactors, type Usage } from '../../domain/usage.ts'
import { parseJson } from '../../json.ts'
import type { EventKind, UsageReader } from '../dialect.ts'
import { answerCharacters, blockCharacters, deltaCharacters, isDelta } from './characters.ts'
import {
  classesOf,
  type InputCounts,
  inputCounts,
  inputSum,
  maxTokens,
  otherModelsOf,
  outputCount,
  type WireIteration,
  WireUsage,
  withCompactions,
  wordOf,
} from './counts.ts'
import { WireError } from './errors.ts'

const wireUsage = WireUsage.nullish().catch(undefined)

/** Where the tools of the answer ran (beta `code-execution`). */
const wireContainer = z.object({ id: z.string() }).nullish().catch(undefined)

const wireModel = z.unknown().transform(wordOf).optional()

const WireEvent = z.object({
  type: z.string(),
  usage: wireUsage,
  message: z
    .object({ usage: wireUsage, container: wireContainer, model: wireModel })
    .nullish()
    .catch(undefined),
  delta: z
    .looseObject({ stop_reason: z.string(), container: wireContainer })
    .nullish()
    .catch(undefined),
  content_block: z.unknown().optional(),
})

const WireAnswer = z.object({
  type: z.literal('message'),
  usage: wireUsage,
  model: wireModel,
  container: wireContainer,
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

/** Longer events are not parsed: no usage is that long, and other streams would wait for it. */
const maxEventCharacters = 1024 * 1024

/** Runs whose output the client gets. */
const answering = new Set(['message', 'fallback_message'])

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
  let iterations: WireIteration[] = []
  let state: ReturnType<UsageReader['state']> = 'open'
  let hasStopReason = false
  let failure: UpstreamError | undefined
  let contentCharacters = 0
  let container: z.infer<typeof wireContainer>
  let factors: PriceFactors = {}

  const read = (usage: z.infer<typeof wireUsage>) => {
    if (!usage) return
    // Zeros may be placeholders, which erase no count.
    const named = inputCounts(usage)
    const sum = inputSum(named)
    const isNews = sum > 0 || inputSum(input) === 0
    if (isNews && sum <= maxTokens) input = { ...input, ...named }
    output = outputCount(usage) ?? output
    webSearchRequests = usage.server_tool_use?.web_search_requests ?? webSearchRequests
    iterations = usage.iterations ?? iterations
    const { speed, inference_geo: inferenceGeo, service_tier: serviceTier } = usage
    if (speed) factors = { ...factors, speed }
    if (inferenceGeo) factors = { ...factors, inferenceGeo }
    if (serviceTier) factors = { ...factors, serviceTier }
  }

  const readModel = (servedModel: string | undefined) => {
    if (servedModel) factors = { ...factors, servedModel }
  }

  const fail = (body: unknown) => {
    state = 'failed'
    failure = WireError.safeParse(body).data?.error ?? {}
  }

  /** The reported output as far as the request allows it. */
  const believedOutput = () => {
    const runs = iterations.filter(({ type }) => answering.has(type)).length
    return outputLimit && output ? Math.min(output, outputLimit * Math.max(1, runs)) : output
  }

  return {
    event(message: EventSourceMessage): EventKind {
      if (message.event === 'content_block_delta' || isDelta.test(message.data)) {
        contentCharacters += deltaCharacters(message.data)
        return 'content'
      }
      if (message.data.length > maxEventCharacters) {
        contentCharacters += message.data.length
        return kinds.get(message.event ?? '') ?? 'preamble'
      }
      const body = parseJson(message.data)
      const event = WireEvent.safeParse(body).data
      if (!event) return 'preamble'
      readModel(event.message?.model)
      read(event.message?.usage)
      read(event.usage)
      container = event.message?.container ?? event.delta?.container ?? container
      if (event.type === 'content_block_start') {
        contentCharacters += blockCharacters(event.content_block)
      }
      if (event.type === 'content_block_delta') contentCharacters += deltaCharacters(message.data)
      if (event.type === 'message_delta' && event.delta) hasStopReason = true
      if (event.type === 'message_stop') state = 'complete'
      if (event.type === 'error') fail(body)
      return kinds.get(event.type) ?? 'preamble'
    },
    answer(body: unknown, unreadBytes = 0): boolean {
      const answer = WireAnswer.safeParse(body).data
      if (!answer) return false
      readModel(answer.model)
      read(answer.usage)
      container = answer.container
      contentCharacters = answerCharacters(answer.content) + unreadBytes
      state = 'complete'
      return true
    },
    ended() {
      if (hasStopReason && state === 'open') state = 'complete'
    },
    state: () => state,
    failure: () => failure,
    reported() {
      if (inputSum(input) === 0 && !output) return undefined
      const { input: inputTokens = 0 } = input
      const outputTokens = believedOutput() ?? 0
      return { ...noUsage, ...classesOf(input), inputTokens, outputTokens, webSearchRequests }
    },
    issuedIds: () => (container ? [{ kind: 'container', id: container.id }] : []),
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
      const otherModels = otherModelsOf(iterations)
      const total = { usage: withCompactions(flat, iterations), estimated, factors }
      return otherModels.length > 0 ? { ...total, otherModels } : total
    },
  }
}
