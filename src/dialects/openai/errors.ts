/** Errors as clients of OpenAI's APIs understand them (measured with Codex 0.20-0.169 and the openai SDK). */
import type { ErrorCode, GatewayError } from '../../errors.ts'

/** Seconds that a client may be told to wait: Codex waits as long as `retry-after` says, even for an hour. */
const longestWaitSeconds = 60

interface WireForm {
  status: number
  type: string
  code: string
  /** A repeat would meet the same: the vendor's SDKs then do not repeat. */
  isFinal?: boolean
  /** Whether `retry-after` helps; with it, Codex repeats an overload 30 times instead of 5. */
  hasRetryAfter?: boolean
}

const invalid = (code: string): WireForm => ({
  status: 400,
  type: 'invalid_request_error',
  code,
  isFinal: true,
})
const refused = (status: number, code: string): WireForm => ({ ...invalid(code), status })
const limited: WireForm = {
  status: 429,
  type: 'rate_limit_error',
  code: 'rate_limit_exceeded',
  hasRetryAfter: true,
}
/** Codex repeats any other 5xx 30 times. */
const overloaded: WireForm = {
  status: 503,
  type: 'server_error',
  code: 'server_is_overloaded',
}

/** The one table from the gateway's codes to what these clients are told. */
const forms: Partial<Record<ErrorCode, WireForm>> = {
  invalid_api_key: refused(401, 'invalid_api_key'),
  key_disabled: refused(401, 'invalid_api_key'),
  key_expired: refused(401, 'invalid_api_key'),
  not_permitted: refused(403, 'permission_denied'),
  model_not_permitted: invalid('model_not_permitted'),
  model_unpriced: invalid('model_unpriced'),
  // The vendor's own codes: clients begin anew without what they referred to.
  issuer_gone: invalid('previous_response_not_found'),
  content_issuer_gone: invalid('invalid_encrypted_content'),
  not_found: refused(404, 'not_found'),
  method_not_allowed: refused(405, 'method_not_allowed'),
  body_too_large: refused(413, 'request_too_large'),
  unsupported_media_type: refused(415, 'unsupported_media_type'),
  upgrade_required: refused(426, 'upgrade_required'),
  // Clients open another one.
  socket_limit: invalid('websocket_connection_limit_reached'),
  concurrency_limit: limited,
  request_limit: limited,
  budget_reserved: limited,
  accounts_rate_limited: limited,
  accounts_over_quota: limited,
  // Codex shows it once, with the time of the reset.
  budget_exceeded: {
    status: 429,
    type: 'usage_limit_reached',
    code: 'usage_limit_reached',
    isFinal: true,
  },
  // The account's key has to be renewed; a 5xx would be repeated in vain.
  accounts_refused: invalid('account_refused'),
  no_account: invalid('no_account'),
  not_offered: refused(501, 'not_offered'),
  upstream_failed: overloaded,
  // A repeat would take as long, and cost as much again.
  upstream_timeout: { ...overloaded, isFinal: true },
  accounts_unavailable: overloaded,
  accounts_overloaded: overloaded,
  gateway_busy: overloaded,
  starting: overloaded,
  stopping: overloaded,
  store_unavailable: overloaded,
  store_incompatible: overloaded,
}

/** How these clients are told of an error. */
export function formOf({ code, status }: GatewayError): WireForm {
  const known = forms[code]
  if (known) return known
  return status >= 500 ? { status, type: 'server_error', code } : refused(status, code)
}

/** The envelope of an error: `{"error":{"message","type","param","code"}}`. */
export function errorBody(error: GatewayError, nowMs: number) {
  const { type, code } = formOf(error)
  const { message, issues, retryAfterSeconds } = error
  const hasReset = code === 'usage_limit_reached' && retryAfterSeconds !== undefined
  const reset = hasReset && {
    resets_at: Math.ceil(nowMs / 1000) + retryAfterSeconds,
    resets_in_seconds: retryAfterSeconds,
  }
  return { error: { message, type, param: issues?.[0]?.field ?? null, code, ...reset } }
}

/** The error as a JSON response. @param nowMs from which a reset is told as a time. */
export function errorResponse(error: GatewayError, requestId: string, nowMs: number): Response {
  const { status, isFinal, hasRetryAfter } = formOf(error)
  const headers = new Headers({ 'x-request-id': requestId })
  // RFC 9110 §15.5.22
  if (status === 426) headers.set('upgrade', 'websocket')
  const waitSeconds = error.retryAfterSeconds ?? Number.POSITIVE_INFINITY
  if (hasRetryAfter && waitSeconds <= longestWaitSeconds) {
    headers.set('retry-after', String(waitSeconds))
  } else if (isFinal || hasRetryAfter) {
    headers.set('x-should-retry', 'false')
  }
  return Response.json(errorBody(error, nowMs), { status, headers })
}

/** The error as a message of a WebSocket, as the vendor writes it. */
export function socketError(error: GatewayError, nowMs: number): Record<string, unknown> {
  const { status, hasRetryAfter } = formOf(error)
  const wait = error.retryAfterSeconds ?? Number.POSITIVE_INFINITY
  const headers = hasRetryAfter && wait <= longestWaitSeconds ? { 'retry-after': `${wait}` } : {}
  return { type: 'error', status, ...errorBody(error, nowMs), headers }
}
