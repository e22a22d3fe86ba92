/** The gate: holds an answer back until it is known to be one, so that a failure stays invisible. */
import { createParser } from 'eventsource-parser'
import type { EventKind, UsageReader } from '../../dialects/dialect.ts'
import type { UpstreamError } from '../../domain/upstream-error.ts'
import type { ByteReader, HeaderReader } from '../../http-message.ts'

/** An answer that may be shown: what was held back, then the rest as it arrives. */
export interface OpenStream {
  held: Uint8Array[]
  rest: ByteReader
  /** What it begins with is the upstream's refusal of the request itself. */
  isRefusal: boolean
  /** Reads on in the same parser: events may straddle the gate. */
  feed(bytes: Uint8Array): void
}

const maxHeldBytes = 256 * 1024
const maxHeldEvents = 64
/** A line longer than this is passed on but not read. */
const maxEventCharacters = 16 * 1024 * 1024

/** Media types are compared without regard to case (RFC 9110 §8.3.1). */
export const isEventStream = ({ headers }: { headers: HeaderReader }) =>
  /^text\/event-stream\b/i.test(headers.get('content-type') ?? '')

/** A stream of which the beginning has been read. */
export interface BegunStream {
  held: Uint8Array[]
  rest: ByteReader
}

/** The label of a stream whose upstream gave it another. */
export const eventStreamType = 'text/event-stream; charset=utf-8'

/** What the gate calls while it waits. */
export interface GateWatch {
  /** Called for each part of the body, be it only a comment. */
  onBytes: () => void
  /** Whether an error is the account's fault, so that another account may succeed. */
  isAccountFault: (error: UpstreamError) => boolean
}

/**
 * Waits for the first content event of a stream, or for its refusal of the request itself.
 * @returns the stream to pass on, or undefined when it failed before any content.
 * @throws what reading the body throws.
 */
export async function openStream(
  body: BegunStream,
  usage: UsageReader,
  watch: GateWatch,
): Promise<OpenStream | undefined> {
  const { rest } = body
  const begun = body.held.values()
  let verdict: EventKind = 'preamble'
  let events = 0
  const feed = createFeed((kind) => {
    events++
    if (verdict === 'preamble') verdict = kind
  }, usage)
  const held: Uint8Array[] = []
  let heldBytes = 0
  for (;;) {
    const value = begun.next().value ?? (await nextOf(rest, watch))
    if (!value) return undefined
    held.push(value)
    heldBytes += value.length
    feed(value)
    const isRefusal = isError(verdict)
    if (isRefusal && watch.isAccountFault(usage.failure() ?? {})) {
      await rest.cancel().catch(() => {})
      return undefined
    }
    const isDecided = verdict !== 'preamble'
    if (isDecided || events >= maxHeldEvents || heldBytes >= maxHeldBytes) {
      return { held, rest, feed, isRefusal }
    }
  }
}

async function nextOf(rest: OpenStream['rest'], watch: GateWatch) {
  const { value } = await rest.read()
  if (value) watch.onBytes()
  return value
}

// Written through a callback, which narrowing cannot see.
const isError = (kind: EventKind) => kind === 'error'

function createFeed(onKind: (kind: EventKind) => void, usage: UsageReader) {
  const decoder = new TextDecoder()
  const parser = createParser({
    onEvent: (message) => onKind(usage.event(message)),
    maxBufferSize: maxEventCharacters,
  })
  let readable = true
  return (bytes: Uint8Array) => {
    if (!readable) return
    try {
      parser.feed(decoder.decode(bytes, { stream: true }))
    } catch {
      // Metering may miss; relaying may not.
      readable = false
    }
  }
}
