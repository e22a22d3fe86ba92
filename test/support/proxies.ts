/** Real proxies on loopback, which take every name they are asked for to be this machine. */
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { OutboundProxy } from '../../src/runtime.ts'
import { certificate } from './certificate.ts'

export type Protocol = OutboundProxy['protocol']

export const credentials = { username: 'user@office', password: 'secret: grüße' }

export interface TestProxy {
  port: number
  /** What an account would be given, by default without credentials. */
  outbound(over?: Partial<OutboundProxy>): OutboundProxy
  /** Connections accepted so far. */
  connections: () => number
  /** Connections that are open now. */
  open: () => number
  /** Where it was asked to connect to, as `host:port`. */
  targets: string[]
  /** The credentials that it was given, as `username:password`. */
  presented: string[]
  close(): Promise<void>
}

export interface TestProxyOptions {
  /** Refuses whoever does not present `credentials`. */
  needsAuth?: boolean
  /** The status (HTTP) or reply (SOCKS) to every request, in place of connecting. */
  refuseWith?: number
}

type Sight = Pick<TestProxy, 'targets' | 'presented'>

const expected = `${credentials.username}:${credentials.password}`

async function start(server: Server, protocol: Protocol, sight: Sight): Promise<TestProxy> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const host = protocol === 'https' ? 'proxy.example' : '127.0.0.1'
  return {
    ...sight,
    port,
    outbound: (over) => ({ protocol, host, port, auth: undefined, ...over }),
    connections: () => connections,
    open: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** Starts a proxy of any protocol that behaves. */
export function startProxy(protocol: Protocol, options: TestProxyOptions = {}): Promise<TestProxy> {
  const sight: Sight = { targets: [], presented: [] }
  const server =
    protocol === 'socks5' ? socksServer(options, sight) : httpServer(protocol, options, sight)
  return start(server, protocol, sight)
}

/** Starts a proxy that answers whatever it is sent with `answer`. */
export function startRawProxy(
  protocol: Protocol,
  answer: (socket: Socket, request: Buffer) => void,
): Promise<TestProxy> {
  const server = createServer((socket) => socket.on('data', (data) => answer(socket, data)))
  return start(server, protocol, { targets: [], presented: [] })
}

/** Starts an upstream that speaks TLS, and calls `answer` once for each request head. */
export async function startSecureUpstream(answer: (socket: Socket, request: string) => void) {
  const sight: Sight = { targets: [], presented: [] }
  const server = createTlsServer(certificate, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => answer(socket, data.toString('latin1')))
  })
  server.on('tlsClientError', () => {})
  const started = await start(server, 'https', sight)
  return { ...started, url: `https://upstream.example:${started.port}/` }
}

function httpServer(protocol: Protocol, options: TestProxyOptions, sight: Sight): Server {
  const server = protocol === 'https' ? createHttpsServer(certificate) : createHttpServer()
  server.on('tlsClientError', () => {})
  return server.on('connect', (request: IncomingMessage, socket: Socket) => {
    const target = request.url ?? ''
    sight.targets.push(target)
    const basic = request.headers['proxy-authorization']?.replace(/^Basic /, '')
    if (basic) sight.presented.push(Buffer.from(basic, 'base64').toString())
    const mayPass = !options.needsAuth || sight.presented.at(-1) === expected
    const status = mayPass ? options.refuseWith : 407
    if (status) return socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 2\r\n\r\nno`)
    const { port } = new URL(`http://${target}`)
    return tunnel(socket, Number(port || 80), () => 'HTTP/1.1 200 Connection established\r\n\r\n')
  })
}

const socksServer = (options: TestProxyOptions, sight: Sight) =>
  createServer((socket) => {
    serveSocks(socket, options, sight).catch(() => socket.destroy())
  })

// Each message of the client arrives in one piece, as it was written.
async function serveSocks(socket: Socket, options: TestProxyOptions, sight: Sight) {
  const message = async (): Promise<Buffer> => (await once(socket, 'data'))[0]
  const methods = (await message()).subarray(2)
  if (methods.includes(2)) {
    socket.write(Buffer.from([5, 2]))
    const [, length = 0, ...rest] = await message()
    const username = Buffer.from(rest.slice(0, length)).toString()
    sight.presented.push(`${username}:${Buffer.from(rest.slice(length + 1))}`)
    if (options.needsAuth && sight.presented.at(-1) !== expected) {
      return socket.end(Buffer.from([1, 1]))
    }
    socket.write(Buffer.from([1, 0]))
  } else {
    if (options.needsAuth) return socket.end(Buffer.from([5, 0xff]))
    socket.write(Buffer.from([5, 0]))
  }
  const request = await message()
  const port = request.readUInt16BE(request.length - 2)
  const isName = request[3] === 3
  const host = isName ? request.subarray(5, -2).toString() : request.subarray(4, -2).join('.')
  sight.targets.push(`${host}:${port}`)
  const reply = (code: number) => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0])
  if (options.refuseWith) return socket.end(reply(options.refuseWith))
  return tunnel(socket, port, () => reply(0))
}

/** Joins two connections; what breaks the one breaks the other. */
function tunnel(client: Socket, port: number, greeting: () => string | Buffer) {
  const upstream = connect(port, '127.0.0.1', () => {
    client.write(greeting())
    client.pipe(upstream).pipe(client)
  })
  upstream.on('error', () => ('encrypted' in client ? client.destroy() : client.resetAndDestroy()))
  upstream.on('close', () => client.end())
  client.on('error', () => upstream.destroy())
  client.on('close', () => upstream.destroy())
}
