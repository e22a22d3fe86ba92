/** Answers that are given before the upload was read: the client gets them, and its upload ends. */
import { IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Timers } from '../clock.ts'
import { systemClock } from './clock.ts'
import { isHeldUpload } from './expect-continue.ts'
import type { Serve } from './running-work.ts'

/** An unread rest of at most this is still taken, so that its connection can be kept. */
const drainedBytes = 64 * 1024
/** How long a client that still uploads has to take the answer. */
const lingerMs = 1_000

/** Serves with `fetch`, and ends the uploads that it answers without reading, as `endUnreadUpload` does. */
export function endUnreadUploads(fetch: Serve, timers: Timers = systemClock): Serve {
  return async (request, bindings) => {
    const response = await fetch(request, bindings)
    const { incoming, outgoing } = bindings
    // The server of this host speaks HTTP/1.1 only.
    if (incoming instanceof IncomingMessage && 'shouldKeepAlive' in outgoing) {
      endUnreadUpload(incoming, outgoing, timers)
    }
    return response
  }
}

/**
 * To be called before an answer is sent: an upload that was not read is drained up to 64 KiB, and the
 * connection then closed. It is closed for sending first, since closing it at once would send a reset,
 * by which a client that is still uploading may lose the answer (RFC 9112 §9.6).
 */
export function endUnreadUpload(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  timers: Timers,
): void {
  if (incoming.complete || isHeldUpload(incoming) || isShort(incoming)) return
  const { socket } = incoming
  outgoing.shouldKeepAlive = false
  // Reads one buffer of 64 KiB and no more; without it Node would read and drop the whole upload.
  incoming.read(0)
  socket.destroySoon = () => linger(socket, timers)
}

function isShort({ headers }: IncomingMessage): boolean {
  if (headers['transfer-encoding'] !== undefined) return false
  return Number(headers['content-length'] ?? 0) <= drainedBytes
}

function linger(socket: Socket, timers: Timers): void {
  socket.end()
  const timer = timers.setTimer(() => socket.destroy(), lingerMs)
  socket.once('close', () => timer.clear())
}
