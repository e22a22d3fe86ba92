/** Meter: forwards a stream byte for byte, reads it afterwards, and tells once how it ended. */
import { joined } from '../../bytes.ts'
import { type Clock, every, type Timer } from '../../clock.ts'
import type { UsageReader } from '../../dialects/dialect.ts'
import type { Watchdog } from '../attempt/watchdog.ts'
import { createEventTail } from './event-tail.ts'
import type { OpenStream } from './gate.ts'
import { createGatherer } from './gather.ts'

/** `upstream_truncated`: the upstream broke off, failed or fell silent; `client_aborted`: the client went away or stalled. */
export type StreamEnd = 'complete' | 'upstream_truncated' | 'client_aborted'

export interface MeterOptions {
  stream: OpenStream
  usage: UsageReader
  /** Makes the dialect's own error event, which ends a stream that the upstream did not. */
  cutEvent: () => string
  /** Ends the upstream request at once. */
  abort: () => void
  clientSignal: AbortSignal
  /** Makes the one timer of this stream, which runs from the start. */
  watchdog: (timeoutMs: number, onTimeout: () => void) => Watchdog
  /** How long the upstream may be silent. */
  idleTimeoutMs: number
  clock: Clock
  /** What follows a write within this time goes into the next one. */
  gatherMs: number
  /** When the upstream is silent for longer than this, the client gets comments. */
  keepAliveMs: number
  /** Called exactly once; must not throw. */
  onEnd: (end: StreamEnd) => void
}

const maxTailBytes = 256 * 1024
const maxGatheredBytes = 64 * 1024
/** How long a client may take nothing before it counts as gone. */
const stalledClientMs = 10 * 60_000
/** How long an upstream may keep the connection open after its last event, be it an end or an error, whatever it still sends. */
const afterEndMs = 1_000
const encoder = new TextEncoder()
/** A comment in a stream of events, which every client skips (HTML Living Standard §9.2.6). */
const comment = encoder.encode(': waiting for the upstream\n\n')

/**
 * The stream to answer with: what the gate held back, then the rest as the client takes it. It runs
 * through JavaScript to its end: on Workers that keeps the request alive until it is settled.
 */
export function meter(options: MeterOptions): ReadableStream<Uint8Array> {
  const { stream, usage, abort, clientSignal, clock, onEnd } = options
  const tail = createEventTail(maxTailBytes)
  const gatherer = createGatherer(options.gatherMs, stream.rest.joinsParts === true)
  const isComplete = () => usage.state() === 'complete'
  let client: ReadableStreamDefaultController<Uint8Array>
  /** Resolves the pull of a client that takes more. */
  let demand: (() => void) | undefined
  let isReading = false
  /** Nothing more is read. */
  let isOver = false
  let isDrained = false
  let isCancelled = false
  let ended = false
  let isLastSaid = false
  let windowTimer: Timer | undefined
  let reminder: Timer | undefined
  let quietTicks = 0

  // A slow reader is not an idle upstream: only while bytes are awaited is the silence its own.
  const isAwaiting = () => isReading && demand !== undefined
  const end = (how: StreamEnd) => {
    if (ended) return
    ended = true
    // What was seen is charged.
    forward()
    watchdog.stop()
    reminder?.clear()
    clientSignal.removeEventListener('abort', onClientGone)
    // An upstream may stay connected after a complete answer; aborting one that has ended costs time.
    if (!isDrained) abort()
    onEnd(how)
  }
  const stop = (how: StreamEnd) => {
    end(isComplete() ? 'complete' : how)
    // A read that runs is ended by the abort.
    if (!isReading) isOver = true
    proceed()
  }
  const onClientGone = () => stop('client_aborted')
  const watchdog = options.watchdog(stalledClientMs, () =>
    stop(isAwaiting() || isLastSaid ? 'upstream_truncated' : 'client_aborted'),
  )
  const allow = (timeoutMs: number) => {
    if (!ended) watchdog.touch(timeoutMs)
  }

  const write = (bytes: Uint8Array) => {
    if (!isCancelled) client.enqueue(bytes)
  }
  /** Gives the client what it asked for; it may ask again before this returns. */
  const supply = (bytes: Uint8Array) => {
    const supplied = demand
    demand = undefined
    write(bytes)
    supplied?.()
  }
  /** Passes on what is gathered, up to the last end of an event, and reads it. */
  function forward(): void {
    windowTimer?.clear()
    windowTimer = undefined
    if (gatherer.isEmpty()) return
    const bytes = gatherer.take(clock.monotonicMs())
    const released = tail.push(bytes)
    if (released.length > 0) supply(joined(released))
    stream.feed(bytes)
    const wasLastSaid = isLastSaid
    isLastSaid = usage.state() !== 'open'
    if (isLastSaid && !wasLastSaid) allow(afterEndMs)
    else if (!isLastSaid && !demand) allow(stalledClientMs)
  }
  function finish(): void {
    end(isComplete() ? 'complete' : 'upstream_truncated')
    if (isComplete()) for (const piece of tail.rest()) write(piece)
    // An upstream that reported its own failure has told the client already.
    if (usage.state() === 'open') {
      const boundary = tail.isAtBoundary() ? '' : '\n\n'
      write(encoder.encode(boundary + options.cutEvent()))
    }
    if (!isCancelled) client.close()
    demand?.()
    demand = undefined
  }
  const endWindow = () => {
    windowTimer = undefined
    gatherer.endWindow()
    proceed()
  }
  /** Does what is next for a client that takes more. */
  function proceed(): void {
    if (!demand) return
    const leftMs = gatherer.leftMs(clock.monotonicMs())
    const isFull = gatherer.bytes() >= maxGatheredBytes
    if (isOver || leftMs === 0 || isFull) forward()
    if (!demand) return
    if (isOver) finish()
    else supplyWithin(leftMs)
  }
  /** Reads on, unless one read brings everything when the window ends. */
  function supplyWithin(leftMs: number): void {
    const isPaused = leftMs > 0 && !isLastSaid && gatherer.mayPause()
    if (!isReading && !isPaused) void read()
    if (leftMs > 0 && (isPaused || !gatherer.isEmpty())) {
      windowTimer ??= clock.setTimer(endWindow, leftMs)
    }
  }
  async function read(): Promise<void> {
    isReading = true
    if (!isLastSaid) allow(options.idleTimeoutMs)
    const isAfterPause = gatherer.mayPause()
    const chunk = await stream.rest.read().catch(() => undefined)
    isReading = false
    quietTicks = 0
    if (chunk?.value && chunk.value.length > 0) gatherer.add(chunk.value, isAfterPause)
    if (!isLastSaid) allow(stalledClientMs)
    isDrained = chunk?.done === true
    isOver = !chunk || chunk.done || ended
    if (isOver) forward()
    if (isDrained) usage.ended?.()
    proceed()
  }

  /** A silence lasts when two ticks of half an interval have passed without bytes. */
  const remind = () => {
    quietTicks++
    if (quietTicks < 2 || !isAwaiting() || isLastSaid) return
    // Not within an event, nor for a client that has not taken the last one.
    if (!gatherer.isEmpty() || !tail.isAtBoundary() || (client.desiredSize ?? 0) <= 0) return
    quietTicks = 0
    client.enqueue(comment)
  }

  return new ReadableStream<Uint8Array>({
    start(controller) {
      client = controller
      clientSignal.addEventListener('abort', onClientGone, { once: true })
      if (clientSignal.aborted) onClientGone()
      if (!ended) reminder = every(clock, remind, options.keepAliveMs / 2)
      const released = tail.push(joined(stream.held))
      if (released.length > 0) write(joined(released))
    },
    pull() {
      return new Promise((resolve) => {
        demand = resolve
        // Bytes of a read that went on while the client took nothing are awaited from now on.
        if (isReading && !isLastSaid) allow(options.idleTimeoutMs)
        proceed()
      })
    },
    cancel() {
      isCancelled = true
      onClientGone()
      demand?.()
      demand = undefined
    },
  })
}
