/** Errors as clients of Anthropic Messages understand them, whole or as an event. */
import { z } from 'zod'
import type { ErrorCode, GatewayError } from '../../errors.ts'
import { parseJson } from '../../json.ts'
import { spentBudget } from '../limit-headers.ts'

const text = z.string().nullish().catch(undefined)
/** An error body or error event of the vendor; fields of an unexpected type are undefined. */
export const WireError = z.object({
  error: z.looseObject({ type: text, code: text, message: text }),
})

const errorTypes: Partial<Record<ErrorCode, string>> = {
  invalid_api_key: 'authentication_error',
  key_disabled: 'authentication_error',
  key_expired: 'authentication_error',
  not_permitted: 'permission_error',
  model_not_permitted: 'permission_error',
  model_unpriced: 'permission_error',
  not_found: 'not_found_error',
  body_too_large: 'request_too_large',
  concurrency_limit: 'rate_limit_error',
  request_limit: 'rate_limit_error',
  budget_exceeded: 'billing_error',
  budget_reserved: 'rate_limit_error',
  accounts_rate_limited: 'rate_limit_error',
  accounts_over_quota: 'rate_limit_error',
  accounts_overloaded: 'overloaded_error',
}

/**
 * Where clients of this dialect need another status. After a 400, Claude Code leaves out one part of its
 * request after another, and asks six times for a model that its key may not use; after a 403 it stops.
 */
const statuses: Partial<Record<ErrorCode, number>> = {
  model_not_permitted: 403,
  model_unpriced: 403,
}

/** Errors that a repeat would meet again; without `x-should-retry` Claude Code asks eleven times over minutes. */
const final = new Set<ErrorCode>([
  'invalid_api_key',
  'key_disabled',
  'key_expired',
  'not_permitted',
  'model_not_permitted',
  'model_unpriced',
  'issuer_gone',
  'content_issuer_gone',
  'budget_exceeded',
  'no_account',
  'accounts_refused',
  // Claude Code then estimates by itself; after a 404 older ones ask a model instead, which costs.
  'not_offered',
  // A repeat would take as long, and cost as much again.
  'upstream_timeout',
])
/** Older Claude Code waits as long as `retry-after` says, even for an hour. */
const longestWaitSeconds = 60

/** The envelope of an error: `{"type":"error","error":{"type","message"},"request_id"}`. */
function errorBody(error: GatewayError, requestId: string) {
  const fallback = error.status >= 500 ? 'api_error' : 'invalid_request_error'
  const type = errorTypes[error.code] ?? fallback
  return { type: 'error', error: { type, message: error.message }, request_id: requestId }
}

/** The error as a JSON response. */
export function errorResponse(error: GatewayError, requestId: string): Response {
  // The vendor's client libraries show this header to their users.
  const headers = new Headers({ 'request-id': requestId })
  const wait = error.retryAfterSeconds
  if (wait !== undefined) headers.set('retry-after', String(wait))
  if (final.has(error.code) || (wait ?? 0) > longestWaitSeconds) {
    headers.set('x-should-retry', 'false')
  }
  for (const [name, value] of error.budget ? spentBudget(error.budget) : []) {
    headers.set(name, value)
  }
  const status = statuses[error.code] ?? error.status
  return Response.json(errorBody(error, requestId), { status, headers })
}

/** The error as an event of a stream. */
export function errorEvent(error: GatewayError, requestId: string): string {
  return `event: error\ndata: ${JSON.stringify(errorBody(error, requestId))}\n\n`
}

/** The JSON body of an upstream's refusal as an event; undefined when it is none. */
export function refusalEvent(body: string): string | undefined {
  const refusal = parseJson(body)
  if (!WireError.safeParse(refusal).success) return undefined
  // An event's data must be one line, whatever the spacing of the body.
  return `event: error\ndata: ${JSON.stringify({ ...Object(refusal), type: 'error' })}\n\n`
}
