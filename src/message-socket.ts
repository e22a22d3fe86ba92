/** A WebSocket that is open, as the relay uses it; each host makes it of what it has. */
import type { RelayAnswer } from './http-message.ts'

/** What happens on a socket. */
export interface SocketListener {
  /** A text message; a binary one closes the socket. */
  message(text: string): void
  /** Called once: the peer has closed it, or the connection broke. */
  closed(): void
}

export interface MessageSocket {
  send(text: string): void
  /** Closes it (RFC 6455 §7.4); what was sent before is delivered. */
  close(code: number, reason: string): void
  /** To be called once; what came before that is told then. */
  listen(listener: SocketListener): void
  /** Bytes that were sent and that the peer has not taken yet; 0 where the host does not tell. */
  pendingBytes(): number
}

/** Accepts the WebSocket of a client; the answer is what the route returns. */
export type AcceptSocket = () => { answer: RelayAnswer; socket: MessageSocket }

/** What the hosts' own classes have in common. */
export interface WebSocketLike {
  send(data: string): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'message' | 'close' | 'error', listener: (event: object) => void): void
  readonly bufferedAmount?: number
}

/** The longest reason that a closing frame holds, in bytes (RFC 6455 §5.5). */
const maxReasonBytes = 123

/** The socket of a host as the relay uses it. */
export function messageSocket(socket: WebSocketLike): MessageSocket {
  let listener: SocketListener | undefined
  let early: string[] = []
  let isClosed = false
  let isClosing = false
  const close = (code: number, reason: string) => {
    isClosing = true
    try {
      socket.close(code, reason.slice(0, maxReasonBytes))
    } catch {
      // It is closed already.
    }
  }
  const closed = () => {
    if (isClosed) return
    isClosed = true
    listener?.closed()
  }
  socket.addEventListener('message', (event) => {
    const data = 'data' in event ? event.data : undefined
    if (typeof data !== 'string') return close(1003, 'Only text is relayed')
    if (listener) listener.message(data)
    else early.push(data)
  })
  socket.addEventListener('close', closed)
  socket.addEventListener('error', closed)
  return {
    send(text) {
      // Of a socket that was closed here, workerd throws.
      if (!isClosed && !isClosing) socket.send(text)
    },
    close,
    listen(added) {
      listener = added
      for (const text of early) added.message(text)
      early = []
      if (isClosed) added.closed()
    },
    pendingBytes: () => socket.bufferedAmount ?? 0,
  }
}
