/** Dialect: what a client speaks, whatever kind of account answers it. */

import type { EventSourceMessage } from 'eventsource-parser'
import type { UpstreamError } from '../domain/upstream-error.ts'
import type { Usage } from '../domain/usage.ts'
import type { GatewayError } from '../errors.ts'
import type { HeaderRules } from './headers.ts'

/** What an event of a stream is: with the first `content` the answer has begun. */
export type EventKind = 'preamble' | 'content' | 'error'

/** Follows one answer and adds up its usage. */
export interface UsageReader {
  /** Reads one event of a stream and says what it is. */
  event(message: EventSourceMessage): EventKind
  /** Reads a complete JSON answer; false when it is no answer of this dialect. */
  answer(body: unknown): boolean
  /** The stream has ended without an error: an answer that said why it stops is complete then. */
  ended?(): void
  /** `complete` once the dialect's own end was seen, `failed` once its own error event was. */
  state(): 'open' | 'complete' | 'failed'
  /** The error that the upstream reported inside of its answer, if it did. */
  failure(): UpstreamError | undefined
  /** The id by which a later request can refer to this answer, where the dialect has one. */
  responseId?(): string | undefined
  /** What was seen so far; `estimated` when the vendor's own counts are missing or partial. */
  total(): { usage: Usage; estimated: boolean }
}

export interface Dialect {
  id: string
  /** Which headers are not passed on, in either direction. */
  headerRules: HeaderRules
  /**
   * @param requestBytes size of the request, from which unreported input is estimated.
   * @param outputLimit the most output tokens that the request allows, if it names a limit.
   */
  createUsageReader(requestBytes: number, outputLimit?: number): UsageReader
  /** The error in the envelope that clients of this dialect understand. */
  errorResponse(error: GatewayError, requestId: string): Response
  /** The same as an event, for a stream that has begun. */
  errorEvent(error: GatewayError, requestId: string): string
  /** An upstream's refusal as such an event, from its JSON body; undefined when it is none. */
  refusalEvent(body: string): string | undefined
}
