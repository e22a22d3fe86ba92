/** An upstream that speaks Responses over WebSockets, on a real loopback socket. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

/** What one message of a client is answered with. */
export type SocketBehaviour = (message: Record<string, unknown>, socket: WebSocket) => void

export interface SocketUpstream {
  url: string
  /** The headers and messages of each socket, in the order in which they were opened. */
  sockets: { headers: IncomingHttpHeaders; path: string; texts: string[]; socket: WebSocket }[]
  behave(behaviour: SocketBehaviour): void
  /** From now on upgrades are refused with this status. */
  refuse(status: number): void
  close(): Promise<void>
}

/** The events of one response, as messages. */
export function socketResponse(
  socket: WebSocket,
  { stream_id, model }: Record<string, unknown>,
  options: { id?: string; deltas?: string[]; usage?: object | null; until?: number } = {},
): void {
  const { id = 'resp_ws', deltas = ['Hi', ' there'], until = Number.POSITIVE_INFINITY } = options
  const { usage = { input_tokens: 12, output_tokens: 7, total_tokens: 19 } } = options
  const lane = stream_id === undefined ? {} : { stream_id }
  const response = { id, object: 'response', model, output: [] }
  const events = [
    { type: 'response.created', response: { ...response, status: 'in_progress' } },
    ...deltas.map((delta) => ({ type: 'response.output_text.delta', delta })),
    { type: 'response.completed', response: { ...response, status: 'completed', usage } },
  ]
  for (const event of events.slice(0, until)) socket.send(JSON.stringify({ ...event, ...lane }))
}

export async function startSocketUpstream(): Promise<SocketUpstream> {
  const sockets: SocketUpstream['sockets'] = []
  let behaviour: SocketBehaviour = (message, socket) => socketResponse(socket, message)
  let refusal: number | undefined
  const server = createServer((_, response) => response.writeHead(404).end())
  const accepting = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, connection, head) => {
    if (refusal !== undefined) {
      connection.end(`HTTP/1.1 ${refusal} Refused\r\ncontent-length: 0\r\n\r\n`)
      return
    }
    accepting.handleUpgrade(request, connection, head, (socket) => {
      const texts: string[] = []
      sockets.push({ headers: request.headers, path: request.url ?? '', texts, socket })
      socket.on('error', () => {})
      socket.on('message', (data) => {
        texts.push(data.toString())
        behaviour(JSON.parse(data.toString()), socket)
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    sockets,
    behave(next) {
      behaviour = next
    },
    refuse(status) {
      refusal = status
    },
    close: () =>
      new Promise((resolve) => {
        for (const { socket } of sockets) socket.terminate()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export interface SocketClient {
  /** Every message so far, parsed. */
  messages: Record<string, unknown>[]
  send(fields: object): void
  /** Resolves with the message of this type, the `count`th of them. */
  received(type: string, count?: number): Promise<Record<string, unknown>>
  /** Resolves with the code when it is closed. */
  closed: Promise<number>
  close(): void
}

/** Opens a socket as Codex does; rejects with the status of a refusal. */
export async function openSocketClient(
  url: string,
  key: string,
  headers: Record<string, string> = {},
): Promise<SocketClient> {
  const { WebSocket: Client } = await import('ws')
  const socket = new Client(url.replace(/^http/, 'ws'), {
    headers: { authorization: `Bearer ${key}`, ...headers },
  })
  const messages: Record<string, unknown>[] = []
  const waiting = new Set<() => void>()
  socket.on('message', (data) => {
    messages.push(JSON.parse(data.toString()))
    for (const look of waiting) look()
  })
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  await new Promise<void>((resolve, reject) => {
    socket.on('open', () => resolve())
    socket.on('unexpected-response', (_, response) => reject(new Error(`${response.statusCode}`)))
    socket.on('error', reject)
  })
  return {
    messages,
    send: (fields) => socket.send(JSON.stringify(fields)),
    received(type, count = 1) {
      const found = () => messages.filter((message) => message.type === type)[count - 1]
      return new Promise((resolve) => {
        const look = () => {
          const message = found()
          if (!message) return
          waiting.delete(look)
          resolve(message)
        }
        waiting.add(look)
        look()
      })
    },
    closed,
    close: () => socket.close(),
  }
}
