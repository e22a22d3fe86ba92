/** Meter: forwards a stream byte for byte, reads it afterwards, and tells once how it ended. */
import { every, type Timer, type Timers } from '../../clock.ts'
import type { UsageReader } from '../../dialects/dialect.ts'
import type { Watchdog } from '../attempt/watchdog.ts'
import { createEventTail } from './event-tail.ts'
import type { OpenStream } from './gate.ts'

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
  /** When the upstream is silent for longer than this, the client gets comments. */
  keepAlive: { timers: Timers; intervalMs: number }
  /** Called exactly once; must not throw. */
  onEnd: (end: StreamEnd) => void
}

const maxTailBytes = 256 * 1024
/** How long a client may take nothing before it counts as gone. */
const stalledClientMs = 10 * 60_000
/** How long an upstream may keep the connection open after its last event, be it an end or an error, whatever it still sends. */
const afterEndMs = 1_000
/** A comment in a stream of events, which every client skips (HTML Living Standard §9.2.6). */
const comment = new TextEncoder().encode(': waiting for the upstream\n\n')

/** The stream to answer with: what the gate held back, then the rest as the client takes it. */
export function meter(options: MeterOptions): ReadableStream<Uint8Array> {
  const { stream, usage, abort, clientSignal, onEnd } = options
  const tail = createEventTail(maxTailBytes)
  const isComplete = () => usage.state() === 'complete'
  // A slow reader is not an idle upstream: only while bytes are awaited is the silence its own.
  let awaiting = false
  let ended = false
  let drained = false
  let isLastSaid = false
  let reminder: Timer | undefined
  let quietTicks = 0
  const end = (how: StreamEnd) => {
    if (ended) return
    ended = true
    watchdog.stop()
    reminder?.clear()
    clientSignal.removeEventListener('abort', onClientGone)
    // An upstream may stay connected after a complete answer; aborting one that has ended costs time.
    if (!drained) abort()
    onEnd(how)
  }
  const onClientGone = () => end(isComplete() ? 'complete' : 'client_aborted')
  const watchdog = options.watchdog(stalledClientMs, () => {
    if (awaiting || isLastSaid) end(isComplete() ? 'complete' : 'upstream_truncated')
    else onClientGone()
  })
  clientSignal.addEventListener('abort', onClientGone, { once: true })
  if (clientSignal.aborted) onClientGone()

  type Controller = ReadableStreamDefaultController<Uint8Array>
  const forward = (controller: Controller, bytes: Uint8Array): boolean => {
    const released = tail.push(bytes)
    for (const piece of released) controller.enqueue(piece)
    return released.length > 0
  }
  const finish = (controller: Controller) => {
    end(isComplete() ? 'complete' : 'upstream_truncated')
    if (isComplete()) for (const piece of tail.rest()) controller.enqueue(piece)
    // An upstream that reported its own failure has told the client already.
    if (usage.state() === 'open') {
      const boundary = tail.isAtBoundary() ? '' : '\n\n'
      controller.enqueue(new TextEncoder().encode(boundary + options.cutEvent()))
    }
    controller.close()
  }
  const read = async () => {
    awaiting = true
    const isOpen = usage.state() === 'open'
    if (isOpen) watchdog.touch(options.idleTimeoutMs)
    else if (!isLastSaid) watchdog.touch(afterEndMs)
    isLastSaid = !isOpen
    const chunk = await stream.rest.read().catch(() => undefined)
    drained = chunk?.done === true
    if (drained) usage.ended?.()
    awaiting = false
    quietTicks = 0
    if (!ended && isOpen) watchdog.touch(stalledClientMs)
    return chunk?.value
  }

  /** A silence lasts when two ticks of half an interval have passed without bytes. */
  const remind = (controller: Controller) => {
    quietTicks++
    if (quietTicks < 2 || !awaiting || isLastSaid) return
    // Not within an event, nor for a client that has not taken the last one.
    if (!tail.isAtBoundary() || (controller.desiredSize ?? 0) <= 0) return
    quietTicks = 0
    controller.enqueue(comment)
  }

  return new ReadableStream<Uint8Array>({
    start(controller) {
      const { timers, intervalMs } = options.keepAlive
      if (!ended) reminder = every(timers, () => remind(controller), intervalMs / 2)
      for (const bytes of stream.held) forward(controller, bytes)
    },
    async pull(controller) {
      // A pull that enqueues nothing is not repeated, so this reads until something may go out.
      for (let released = false; !released; ) {
        const bytes = await read()
        if (!bytes) return finish(controller)
        released = forward(controller, bytes)
        stream.feed(bytes)
      }
    },
    cancel: onClientGone,
  })
}
