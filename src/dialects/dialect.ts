/** Dialect: what a client speaks, whatever kind of account answers it. */

import type { EventSourceMessage } from 'eventsource-parser'
import type { UpstreamError } from '../domain/upstream-error.ts'
import type { ModelUsage, PriceFactors, Usage } from '../domain/usage.ts'
import type { GatewayError } from '../errors.ts'
import type { LimitUse } from '../ledger/key-limits.ts'
import type { HeaderRules } from './headers.ts'
import type { JsonSpan } from './json-scan.ts'
import type { HeaderLine } from './limit-headers.ts'

/** What an event of a stream is: with the first `content` the answer has begun. */
export type EventKind = 'preamble' | 'content' | 'error'

/** An id in an answer by which a later request can refer to it, or to what it made. */
export interface IssuedId {
  kind: 'response' | 'conversation' | 'container'
  id: string
}

/** Follows one answer and adds up its usage. */
export interface UsageReader {
  /** Reads one event of a stream and says what it is. */
  event(message: EventSourceMessage): EventKind
  /**
   * Reads a complete JSON answer; false when it is no answer of this dialect.
   * @param unreadBytes of members that were left out because they are long.
   */
  answer(body: unknown, unreadBytes?: number): boolean
  /** The stream has ended without an error: an answer that said why it stops is complete then. */
  ended?(): void
  /** `complete` once the dialect's own end was seen, `failed` once its own error event was. */
  state(): 'open' | 'complete' | 'failed'
  /** The error that the upstream reported inside of its answer, if it did. */
  failure(): UpstreamError | undefined
  /** The ids that only the account of this answer knows, at most a few. */
  issuedIds?(): IssuedId[]
  /** The vendor's own counts as far as they have come, and nothing that is estimated; undefined without any. */
  reported?(): Usage | undefined
  /** What was seen so far; `estimated` when the vendor's own counts are missing or partial. */
  total(): {
    usage: Usage
    estimated: boolean
    factors?: PriceFactors
    otherModels?: ModelUsage[]
  }
}

/** Makes one JSON answer of the events of a stream. */
export interface AnswerFold {
  /** Takes the next event of the stream. */
  event(message: EventSourceMessage): void
  /** The answer so far as JSON; undefined when an event has no place in one, or it grew too large. */
  answer(): string | undefined
}

/** What a dialect may see of a request. */
export interface RequestFields {
  stream: boolean
  /** Where the value of a top-level member is in the body; undefined if there is none. */
  span(key: string): JsonSpan | undefined
}

/** Bytes of a body that are replaced on the way upstream; `end` is exclusive. */
export interface BodyEdit {
  start: number
  end: number
  replacement: Uint8Array
}

/** A request that asks for more than its client did, and how the client is shown only its own part. */
export interface Adaptation {
  edit: BodyEdit
  /** Whole events of the stream, as the client is to see them. */
  showEvents(events: string): string
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
  /** The error in the envelope that clients of this dialect understand; a reset is told as a time. */
  errorResponse(error: GatewayError, requestId: string, nowMs: number): Response
  /** The same as an event, for a stream that has begun. */
  errorEvent(error: GatewayError, requestId: string): string
  /** The same as a message of a WebSocket, where the dialect has those. */
  socketError?(error: GatewayError, nowMs: number): Record<string, unknown>
  /** What is left of the limits of the key, as headers of a successful answer. */
  limitHeaders?(uses: readonly LimitUse[], nowMs: number): HeaderLine[]
  /** Makes a fold for a client that asked for JSON; without it, such a client never gets a stream. */
  createFold?(): AnswerFold
  /** A JSON answer as the events of a stream; undefined when it has no such form. */
  unfold?(body: Uint8Array): string | undefined
  /**
   * What a request needs that its client does not ask for; undefined where nothing.
   * @throws GatewayError `invalid_request` for what the gateway does not relay.
   */
  adapt?(body: Uint8Array, request: RequestFields): Adaptation | undefined
  /** An upstream's refusal as such an event, from its JSON body; undefined when it is none. */
  refusalEvent(body: string): string | undefined
}
