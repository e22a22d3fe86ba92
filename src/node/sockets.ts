/** WebSockets of clients on Node: asks the relay whether to accept, and accepts or answers. */
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { HeaderList, type RelayAnswer } from '../http-message.ts'
import { type MessageSocket, messageSocket } from '../message-socket.ts'
import { requestIdOf } from '../relay/request/request-id.ts'
import type { RelayRoute } from '../relay/routes.ts'
import type { ServeRelay } from '../relay/serve.ts'
import type { RunningWork } from './running-work.ts'

export interface SocketServerOptions {
  /** The route of a WebSocket that a path stands for. */
  socketRouteOf: (path: string) => RelayRoute | undefined
  serve: ServeRelay
  running: RunningWork
  now: () => number
  /** The longest message that a client may send, in bytes. */
  maxMessageBytes: number
}

/** Whether a request asks for a WebSocket; any other upgrade is ignored (RFC 9110 §7.8). */
export const asksForSocket = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === 'websocket'

/** Serves the upgrades of `server`. */
export function serveSockets(server: Server, options: SocketServerOptions): void {
  const { maxMessageBytes } = options
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes })
  server.on('upgrade', (incoming, connection, head) => {
    upgrade(options, sockets, incoming, connection, head).catch(() => connection.destroy())
  })
}

async function upgrade(
  { socketRouteOf, serve, running, now }: SocketServerOptions,
  sockets: WebSocketServer,
  incoming: IncomingMessage,
  connection: Duplex,
  head: Buffer,
): Promise<void> {
  connection.on('error', () => connection.destroy())
  const { url = '', rawHeaders } = incoming
  const route = socketRouteOf(url.split('?', 1)[0] ?? '')
  if (!route) return answer(connection, { status: 404, headers: new HeaderList(), body: null })
  const headers = new HeaderList()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '')
  }
  const client = new AbortController()
  const { end, onBreakOff: onStopping } = running.start()
  connection.once('close', () => {
    client.abort()
    // One turn later, what the end of the socket leaves to do has been deferred.
    setImmediate(end)
  })
  let accepted: MessageSocket | undefined
  const acceptSocket = () => {
    sockets.handleUpgrade(incoming, connection, head, (socket) => {
      accepted = messageSocket(socket)
    })
    if (!accepted) throw new Error('The client does not speak the WebSocket protocol')
    return { answer: switched, socket: accepted }
  }
  const { signal } = client
  const request = { url, headers, body: null, signal }
  const requestId = requestIdOf(headers, now())
  const given = await serve(route, request, { requestId, onStopping, acceptSocket })
  if (!accepted) await answer(connection, given)
}

/** Stands for the answer that the connection has had already. */
const switched: RelayAnswer = { status: 101, headers: new HeaderList(), body: null }

async function answer(connection: Duplex, { status, headers, body }: RelayAnswer): Promise<void> {
  const content = Buffer.from(await new Response(body).arrayBuffer())
  const fields = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  const length = `content-length: ${content.length}\r\n`
  // Nothing reads this connection any more, so that its other end closes it would not be noticed.
  connection.once('finish', () => connection.destroy())
  connection.end(
    `${line}${fields}${length}connection: close\r\n\r\n${content.toString('latin1')}`,
    'latin1',
  )
}
