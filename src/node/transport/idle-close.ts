/** Recognises a connection that the upstream closed while it was idle, at the moment of its reuse. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** The connection that a request was sent on. */
export interface SentOn {
  /**
   * Whether `error`, which ended the request, is the upstream's close of an idle connection: another
   * request was answered on it before, not one byte of an answer has come since, and the request was
   * sent only just now.
   */
  wasClosedIdle(error: Error): boolean
}

export interface IdleCloses {
  /** Watches a connected socket, before undici takes it. */
  install(socket: Socket): void
  /** To be called when undici is about to send a request; `onSent` is called in the same turn. */
  aboutToSend(onSent: (connection: SentOn) => void): void
  close(): void
}

interface Connection {
  requests: number
  isSilent: boolean
  sentMonotonicMs: number
}

/** undici's documented channel: published right before the first byte of a request is written. */
const sendChannel = 'undici:client:sendHeaders'

/**
 * A close that crossed the request on its way is noticed after one round trip. What ends later may be
 * the end of a server that was working on the request.
 */
const crossedMs = 5_000

/** FIN (undici's own code), and RST as it meets a read or a write. */
const closedCodes = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

const isClose = (error: Error) => 'code' in error && closedCodes.has(String(error.code))

/** Makes the watch of one transport; undici does not say which socket a request went out on. */
export function watchIdleCloses(monotonicMs: () => number): IdleCloses {
  const connections = new WeakMap<object, Connection>()
  let onSent: ((connection: SentOn) => void) | undefined
  const sending = (message: unknown) => {
    const { socket } = message as { socket: object }
    const connection = connections.get(socket)
    if (!connection) return // of another transport
    connection.requests += 1
    connection.isSilent = true
    connection.sentMonotonicMs = monotonicMs()
    onSent?.({
      wasClosedIdle: (error) =>
        connection.requests > 1 &&
        connection.isSilent &&
        monotonicMs() - connection.sentMonotonicMs < crossedMs &&
        isClose(error),
    })
    onSent = undefined
  }
  subscribe(sendChannel, sending)
  return {
    install(socket) {
      const connection = { requests: 0, isSilent: true, sentMonotonicMs: 0 }
      connections.set(socket, connection)
      const read = socket.read.bind(socket)
      socket.read = (size) => {
        const chunk: unknown = read(size)
        if (chunk !== null) connection.isSilent = false
        return chunk
      }
    },
    aboutToSend(callback) {
      onSent = callback
    },
    close() {
      unsubscribe(sendChannel, sending)
    },
  }
}
