/** What differs between the protocols that the gateway speaks. */

import type { EventSourceMessage } from 'eventsource-parser'
import type { Platform } from '../domain/platform.ts'
import type { UpstreamError } from '../domain/upstream-error.ts'
import type { Usage } from '../domain/usage.ts'
import type { GatewayError } from '../errors.ts'
import type { PriceProvider } from '../ledger/price.ts'

/** Where an event of a stream stands: only after the first `content` is an answer committed to. */
export type EventKind = 'preamble' | 'content' | 'error'

/** Follows one answer and adds up its usage. */
export interface UsageReader {
  /** Reads one event of a stream and says where it stands. */
  event(message: EventSourceMessage): EventKind
  /** Reads a complete JSON answer; false when it is no answer of this protocol. */
  answer(body: unknown): boolean
  /** `complete` once the protocol's own end was seen, `failed` once its own error event was. */
  state(): 'open' | 'complete' | 'failed'
  /** The error that the upstream reported inside of its answer, if it did. */
  failure(): UpstreamError | undefined
  /** The id by which a later request can refer to this answer, where the protocol has one. */
  responseId?(): string | undefined
  /** What was seen so far; `estimated` when the vendor's own counts are missing or partial. */
  total(): { usage: Usage; estimated: boolean }
}

export interface Protocol {
  platform: Platform
  permission: 'claude' | 'codex'
  priceProvider: PriceProvider
  /** The address of an account's endpoint, from the base URL that the admin configured. */
  endpoint(apiUrl: string): string
  /** Puts the account's credential where this vendor expects it. */
  authorize(headers: Headers, credential: string): void
  /** @param requestBytes size of the request, from which unreported input is estimated. */
  createUsageReader(requestBytes: number): UsageReader
  /** The error in the envelope that this protocol's clients understand. */
  errorResponse(error: GatewayError, requestId: string): Response
  /** The same as an event, for a stream that has begun. */
  errorEvent(error: GatewayError, requestId: string): string
  /** An upstream's refusal as such an event, from its JSON body; undefined when it is none. */
  refusalEvent(body: string): string | undefined
}
