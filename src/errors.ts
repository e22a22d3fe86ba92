/** One error class with a stable code, and the one table from code to HTTP status. */

/** Code → HTTP status. A code never changes its meaning; add a new one instead. */
export const errorStatus = {
  invalid_request: 400,
  invalid_json: 400,
  duplicate_field: 400,
  invalid_api_key: 401,
  invalid_credentials: 401,
  key_disabled: 401,
  key_expired: 401,
  model_not_permitted: 400,
  model_unpriced: 400,
  issuer_gone: 400,
  content_issuer_gone: 400,
  not_permitted: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  upgrade_required: 426,
  socket_limit: 400,
  concurrency_limit: 429,
  request_limit: 429,
  too_many_logins: 429,
  budget_exceeded: 429,
  budget_reserved: 429,
  accounts_rate_limited: 429,
  accounts_over_quota: 429,
  client_closed: 499,
  internal: 500,
  not_offered: 501,
  upstream_failed: 502,
  misconfigured: 500,
  accounts_refused: 503,
  accounts_unavailable: 503,
  gateway_busy: 503,
  no_account: 503,
  starting: 503,
  stopping: 503,
  store_incompatible: 503,
  store_unavailable: 503,
  upstream_timeout: 504,
  accounts_overloaded: 529,
} as const

export type ErrorCode = keyof typeof errorStatus

/** The gateway's own faults; every other code tells of a caller, an account or a vendor. */
export const ownFaults: ReadonlySet<ErrorCode> = new Set([
  'internal',
  'misconfigured',
  'store_incompatible',
  'store_unavailable',
])

/** One fault of an input, named by its field. */
export interface Issue {
  field: string
  message: string
}

export interface ErrorDetails {
  /** Seconds after which a repeat can succeed. */
  retryAfterSeconds?: number
  issues?: Issue[]
  cause?: unknown
  /** The budget that is spent, of `budget_exceeded`: its period (a `LimitPeriod`); `resetMs` is 0 where it never begins anew. */
  budget?: { period: string; resetMs: number }
}

/**
 * The only error that reaches a caller: `message` is written for them and holds no secret, no
 * upstream URL and no stack. Anything else that is thrown is answered as `internal`.
 */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly status: (typeof errorStatus)[ErrorCode]
  readonly retryAfterSeconds: number | undefined
  readonly issues: Issue[] | undefined
  readonly budget: ErrorDetails['budget']

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause })
    this.name = 'GatewayError'
    this.code = code
    this.status = errorStatus[code]
    this.retryAfterSeconds = details.retryAfterSeconds
    this.issues = details.issues
    this.budget = details.budget
  }
}

/** The error that a caller is answered with for anything thrown: `internal`, unless it is a GatewayError. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  return new GatewayError('internal', 'The gateway failed', { cause: error })
}
