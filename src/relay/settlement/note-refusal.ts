/** Keeps for a while why a request was refused, so that an administrator can find out by its id. */
import { type ErrorCode, GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { storeRefusal } from './settle.ts'
import type { Trace } from './trace.ts'

/** A request that was refused before any account was asked. */
export interface RefusedRequest {
  ledgerId: string
  requestId: string
  poolId: string
  keyId: string
  /** The model that was asked for; empty where the body was not read. */
  model: string
  trace: Trace
}

/** Limits of the key, its state, and what it may not do; that no account is available is stored where it is found. */
const traceable: ReadonlySet<ErrorCode> = new Set([
  'concurrency_limit',
  'request_limit',
  'budget_exceeded',
  'budget_reserved',
  'not_permitted',
  'model_not_permitted',
  'model_unpriced',
  'issuer_gone',
  'content_issuer_gone',
  'key_disabled',
  'key_expired',
])

/** Stores `error` in the background, if it is a refusal that an administrator may be asked about. */
export function noteRefusal(gateway: Gateway, request: RefusedRequest, error: unknown): void {
  if (!(error instanceof GatewayError && traceable.has(error.code))) return
  const { keyId, trace, ...named } = request
  const asked = { ...named, plannedAtMs: gateway.runtime.now(), apiKey: { id: keyId } }
  storeRefusal(gateway, asked, trace, error)
}
