/** Anthropic Messages: address, credential, usage and errors (docs.anthropic.com, Messages API). */
import type { EventSourceMessage } from 'eventsource-parser'
import { z } from 'zod'
import type { UpstreamError } from '../domain/upstream-error.ts'
import { estimateTokens, type Usage } from '../domain/usage.ts'
import type { ErrorCode, GatewayError } from '../errors.ts'
import { parseJson } from '../json.ts'
import type { EventKind, Protocol, UsageReader } from './dialect.ts'

/** A count beyond all sense is as good as none: it must not reach the books. */
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

const text = z.string().nullish().catch(undefined)
const WireError = z.object({ error: z.looseObject({ type: text, code: text, message: text }) })

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

const kinds: Record<string, EventKind> = {
  content_block_start: 'content',
  content_block_delta: 'content',
  content_block_stop: 'content',
  message_delta: 'content',
  message_stop: 'content',
  error: 'error',
}

/** A delta without its text; nine of ten events are deltas, so they are measured, not parsed. */
const emptyDelta = JSON.stringify({
  type: 'content_block_delta',
  index: 0,
  delta: { type: 'text_delta', text: '' },
})

function createUsageReader(requestBytes: number): UsageReader {
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
      return kinds[event.type] ?? 'preamble'
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

const errorTypes: Partial<Record<ErrorCode, string>> = {
  invalid_api_key: 'authentication_error',
  key_disabled: 'authentication_error',
  key_expired: 'authentication_error',
  not_permitted: 'permission_error',
  not_found: 'not_found_error',
  body_too_large: 'request_too_large',
  concurrency_limit: 'rate_limit_error',
  request_limit: 'rate_limit_error',
  budget_exceeded: 'billing_error',
  budget_reserved: 'rate_limit_error',
  accounts_rate_limited: 'rate_limit_error',
  accounts_over_quota: 'rate_limit_error',
  accounts_unavailable: 'overloaded_error',
}

/** Codes that a repeat cannot cure; without the hint Claude Code asks eleven times over minutes. */
const final = new Set<ErrorCode>([
  'invalid_api_key',
  'key_disabled',
  'key_expired',
  'not_permitted',
  'model_not_permitted',
  'budget_exceeded',
  'no_account',
  // It has been paid for once: asked again, it would take as long and cost as much.
  'upstream_timeout',
])
/** Older Claude Code sleeps through any `retry-after`, an hour included. */
const longestWaitSeconds = 60

/** The envelope of an error: `{"type":"error","error":{"type","message"},"request_id"}`. */
export function anthropicErrorBody(error: GatewayError, requestId: string) {
  const fallback = error.status >= 500 ? 'api_error' : 'invalid_request_error'
  const type = errorTypes[error.code] ?? fallback
  return { type: 'error', error: { type, message: error.message }, request_id: requestId }
}

function errorResponse(error: GatewayError, requestId: string): Response {
  // The SDKs show this one to their users.
  const headers = new Headers({ 'request-id': requestId })
  const wait = error.retryAfterSeconds
  if (wait !== undefined) headers.set('retry-after', String(wait))
  if (final.has(error.code) || (wait ?? 0) > longestWaitSeconds) {
    headers.set('x-should-retry', 'false')
  }
  return Response.json(anthropicErrorBody(error, requestId), { status: error.status, headers })
}

function errorEvent(error: GatewayError, requestId: string): string {
  return `event: error\ndata: ${JSON.stringify(anthropicErrorBody(error, requestId))}\n\n`
}

function refusalEvent(body: string): string | undefined {
  const refusal = parseJson(body)
  if (!WireError.safeParse(refusal).success) return undefined
  // One line, whatever the upstream's own spacing.
  return `event: error\ndata: ${JSON.stringify({ ...Object(refusal), type: 'error' })}\n\n`
}

export const anthropic: Protocol = {
  platform: 'claude-console',
  permission: 'claude',
  priceProvider: 'anthropic',
  endpoint(apiUrl) {
    const base = apiUrl.replace(/\/+$/, '')
    if (base.endsWith('/v1/messages')) return base
    return base.endsWith('/v1') ? `${base}/messages` : `${base}/v1/messages`
  },
  authorize(headers, credential) {
    if (credential.startsWith('sk-ant-')) headers.set('x-api-key', credential)
    else headers.set('authorization', `Bearer ${credential}`)
  },
  createUsageReader,
  errorResponse,
  errorEvent,
  refusalEvent,
}
