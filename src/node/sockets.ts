/** WebSockets of clients on Node: asks the relay whether to accept, and accepts or answers. */
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { Timers } from '../clock.ts'
import { GatewayError } from '../errors.ts'
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
  clock: Timers & { now(): number }
  /** The longest message that a client may send, in bytes. */
  maxMessageBytes: number
}

/** A client that has gone without a word is noticed so long after the last byte, and then at each probe. */
const silentMs = 60_000
/** How long a client has to take the end of its socket when the host stops. */
const lastWordMs = 1_000

/** Whether a request asks for a WebSocket (RFC 6455 §4.1); any other upgrade is ignored (RFC 9110 §7.8). */
export const asksForSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'

/** Serves the upgrades of `server`. */
export function serveSockets(server: Server, options: SocketServerOptions): void {
  const { maxMessageBytes } = options
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes })
  server.on('upgrade', (incoming, connection, head) => {
    upgrade(options, sockets, incoming, connection, head).catch(() => connection.destroy())
  })
}

async function upgrade(
  { socketRouteOf, serve, running, clock }: SocketServerOptions,
  sockets: WebSocketServer,
  incoming: IncomingMessage,
  connection: Duplex,
  head: Buffer,
): Promise<void> {
  connection.on('error', () => connection.destroy())
  if (connection instanceof Socket) connection.setKeepAlive(true, silentMs)
  const { url = '', rawHeaders } = incoming
  const route = socketRouteOf(url.split('?', 1)[0] ?? '')
  if (!route) return answer(connection, { status: 404, headers: new HeaderList(), body: null })
  const headers = new HeaderList()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '')
  }
  const client = new AbortController()
  const { end, onBreakOff } = running.start()
  const onStopping = (stop: () => void) =>
    onBreakOff(() => {
      stop()
      // The server waits for this connection, and its peer may never close it.
      clock.setTimer(() => connection.destroy(), lastWordMs)
    })
  onStopping(() => {})
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
    if (!accepted) throw notSpoken
    return { answer: switched, socket: accepted }
  }
  const { signal } = client
  const request = { url, headers, body: null, signal }
  const requestId = requestIdOf(headers, clock.now())
  const given = await serve(route, request, { requestId, onStopping, acceptSocket })
  // A handshake that is none has been answered already.
  if (!accepted && connection.writable) await answer(connection, given)
}

const notSpoken = new GatewayError(
  'invalid_request',
  'The client does not speak the WebSocket protocol',
)

/** Stands for the answer that the connection has had already. */
const switched: RelayAnswer = { status: 101, headers: new HeaderList(), body: null }

async function answer(connection: Duplex, { status, headers, body }: RelayAnswer): Promise<void> {
  const content = Buffer.from(await new Response(body).arrayBuffer())
  const fields = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  const length = `content-length: ${content.length}\r\n`
  // A client that keeps its own side open would keep the connection.
  connection.once('finish', () => connection.destroy())
  connection.end(
    `${line}${fields}${length}connection: close\r\n\r\n${content.toString('latin1')}`,
    'latin1',
  )
}
