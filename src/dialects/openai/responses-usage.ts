/** Reads the usage of OpenAI Responses, streamed or whole (openai SDK 7.57: `Response`, `ResponseStreamEvent`). */
import type { EventSourceMessage } from 'eventsource-parser'
import type { UpstreamError } from '../../domain/upstream-error.ts'
import { estimateTokens, noUsage, type PriceFactors } from '../../domain/usage.ts'
import { parseJson } from '../../json.ts'
import type { EventKind, IssuedId, UsageReader } from '../dialect.ts'
import {
  asObject,
  countOf,
  isEmpty,
  isObject,
  isWord,
  reportedUsage,
  type TokenCounts,
  tokenCounts,
} from './counts.ts'
import { deltaCharacters, typeOf } from './deltas.ts'
import { errorFields } from './wire-error.ts'

/** What comes before an answer has begun. */
const preambles = new Set(['response.created', 'response.queued', 'response.in_progress'])
/** The events that end an answer; each of them may carry usage. */
const terminals = new Set(['response.completed', 'response.incomplete', 'response.failed'])
/** Of one answer, so many are remembered. */
const maxIssuedIds = 8
/** The JSON answers that are metered: of the endpoint itself, and of its compaction. */
const answers = new Set<unknown>(['response', 'response.compaction'])

/**
 * @param requestBytes size of the request, from which unreported input is estimated.
 * @param outputLimit the request's `max_output_tokens`; more output than that is not believed.
 */
export function createUsageReader(requestBytes: number, outputLimit?: number): UsageReader {
  let state: ReturnType<UsageReader['state']> = 'open'
  let counts: TokenCounts | undefined
  let webSearchRequests = 0
  let factors: PriceFactors = {}
  let failure: UpstreamError | undefined
  const issued = new Map<string, IssuedId>()
  let characters = 0

  const issue = (kind: IssuedId['kind'], id: unknown) => {
    if (typeof id !== 'string' || id === '' || issued.size >= maxIssuedIds) return
    issued.set(`${kind} ${id}`, { kind, id })
  }

  const read = (response: Record<string, unknown>) => {
    issue('response', response.id)
    issue('conversation', asObject(response.conversation).id)
    const output = Array.isArray(response.output) ? response.output : []
    for (const item of output) issue('container', asObject(item).container_id)
    counts = tokenCounts(response.usage) ?? counts
    const { web_search: searches } = asObject(response.tool_usage)
    webSearchRequests = countOf(asObject(searches).num_requests) ?? webSearchRequests
    const { service_tier: tier, model } = response
    if (isWord(tier)) factors = { ...factors, serviceTier: tier }
    if (isWord(model)) factors = { ...factors, servedModel: model }
  }

  const fail = (error: unknown): EventKind => {
    state = 'failed'
    failure = errorFields(error)
    return 'error'
  }

  return {
    event(message: EventSourceMessage): EventKind {
      const type = typeOf(message)
      if (type.endsWith('.delta')) {
        characters += deltaCharacters(message.data)
        return 'content'
      }
      const isRead = preambles.has(type) || terminals.has(type) || type === 'error'
      if (!isRead) return type.startsWith('response.') ? 'content' : 'preamble'
      const event = asObject(parseJson(message.data))
      if (type === 'error') return fail(isObject(event.error) ? event.error : event)
      const response = asObject(event.response)
      read(response)
      if (preambles.has(type)) return 'preamble'
      if (type === 'response.failed') return fail(response.error)
      state = 'complete'
      return 'content'
    },
    answer(body: unknown): boolean {
      if (!isObject(body) || !answers.has(body.object)) return false
      // An answer that failed before it cost anything is an error with a status of success.
      const counted = tokenCounts(body.usage)
      if (body.status === 'failed' && (!counted || isEmpty(counted))) return false
      read(body)
      characters = JSON.stringify(body.output ?? '').length
      state = 'complete'
      return true
    },
    state: () => state,
    failure: () => failure,
    reported() {
      const usage = reportedUsage(counts)
      return usage && { ...usage, webSearchRequests }
    },
    issuedIds: () => [...issued.values()],
    total() {
      const isReported = counts !== undefined && !(isEmpty(counts) && characters > 0)
      const reported = isReported && counts ? counts : undefined
      const output = Math.min(reported?.outputTokens ?? 0, outputLimit || Number.POSITIVE_INFINITY)
      const isBelieved = reported?.outputTokens === output
      const estimated = state === 'open' || !isBelieved
      return {
        usage: {
          ...noUsage,
          ...(reported ?? { inputTokens: estimateTokens(requestBytes) }),
          outputTokens: Math.max(output, estimated ? estimateTokens(characters) : 0),
          webSearchRequests,
        },
        estimated,
        factors,
      }
    },
  }
}
