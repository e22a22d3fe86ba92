/** Opens connections to upstreams through a proxy, within one time limit; a failed one is closed. */
import { lookup as dnsLookup } from 'node:dns'
import { once } from 'node:events'
import { isIP, type LookupFunction, connect as netConnect, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { buildConnector } from 'undici'
import type { Timers } from '../../clock.ts'
import type { OutboundProxy } from '../../runtime.ts'
import { systemClock } from '../clock.ts'
import { publicOnly, refuseLiteral } from './connector.ts'
import { httpHandshake, ProxyError, socksHandshake } from './proxy-handshake.ts'

export interface TunnelOptions {
  /** For the connection to the proxy, the handshake, and TLS with the upstream together. */
  connectTimeoutMs: number
  /** When false, a proxy outside the public internet is refused with ERR_PRIVATE_PROXY. */
  allowPrivateProxies: boolean
  /** Resolves the proxy's name in place of the system's resolver. */
  lookup?: LookupFunction
  /** Measure the connect timeout; by default the timers of the host. */
  timers?: Timers
}

/**
 * Opens one connection to `target`, with TLS inside of the tunnel where that is https.
 * Rejects as soon as a signal aborts, and with a `ProxyError` or what failed in TLS.
 */
export type OpenTunnel = (target: buildConnector.Options, signals: AbortSignal[]) => Promise<Socket>

const keepAliveProbeMs = 60_000

/** Makes the opener for one proxy; TLS sessions are resumed among its own connections only. */
export function createTunnelOpener(proxy: OutboundProxy, options: TunnelOptions): OpenTunnel {
  const startTls = buildConnector({ timeout: 0 }) // the limit below covers it
  const { connectTimeoutMs, timers = systemClock } = options
  return async (target, signals) => {
    const limit = startLimit(timers, connectTimeoutMs, signals)
    let socket: Socket | undefined
    try {
      socket = connectToProxy(proxy, options)
      return await Promise.race([openThrough(socket, proxy, target, startTls), limit.reached])
    } catch (error) {
      socket?.destroy()
      throw error
    } finally {
      limit.clear()
    }
  }
}

/** `reached` rejects after the timeout, and when a signal aborts or has aborted before. */
function startLimit(timers: Timers, timeoutMs: number, signals: AbortSignal[]) {
  const { promise: reached, reject } = Promise.withResolvers<never>()
  reached.catch(() => {}) // it may be reached before it is awaited
  const end = () => reject(new Error('The request ended before its tunnel was open'))
  const timer = timers.setTimer(() => {
    reject(new ProxyError('ERR_PROXY_TIMEOUT', 'The proxy did not open a tunnel in time'))
  }, timeoutMs)
  for (const signal of signals) signal.addEventListener('abort', end)
  if (signals.some((signal) => signal.aborted)) end()
  return {
    reached,
    clear() {
      timer.clear()
      for (const signal of signals) signal.removeEventListener('abort', end)
    },
  }
}

/** Starts to connect to the proxy; throws when its literal address is refused. */
function connectToProxy(
  proxy: OutboundProxy,
  { allowPrivateProxies, ...options }: TunnelOptions,
): Socket {
  const { protocol, port } = proxy
  const host = proxy.host.replace(/^\[(.*)\]$/, '$1')
  const refused = allowPrivateProxies ? undefined : refuseLiteral(host, 'proxy')
  if (refused) throw refused
  const system = options.lookup ?? dnsLookup
  const lookup = allowPrivateProxies ? system : publicOnly(system, 'proxy')
  const socket =
    protocol === 'https'
      ? tlsConnect({
          host,
          port,
          lookup,
          ALPNProtocols: ['http/1.1'],
          servername: isIP(host) ? '' : host, // RFC 6066 §3: an address is no server name
        })
      : netConnect({ host, port, lookup })
  // The step that waits for the socket reports what broke it.
  socket.on('error', () => {})
  return socket.setNoDelay(true).setKeepAlive(true, keepAliveProbeMs)
}

async function openThrough(
  socket: Socket,
  proxy: OutboundProxy,
  target: buildConnector.Options,
  startTls: buildConnector.connector,
): Promise<Socket> {
  await once(socket, proxy.protocol === 'https' ? 'secureConnect' : 'connect').catch(unreachable)
  const isSecure = target.protocol === 'https:'
  const port = Number(target.port) || (isSecure ? 443 : 80)
  const handshake = proxy.protocol === 'socks5' ? socksHandshake : httpHandshake
  await handshake(socket, proxy, { hostname: target.hostname, port })
  if (!isSecure) return socket
  return new Promise((resolve, reject) => {
    startTls({ ...target, httpSocket: socket }, (...[error, secured]) =>
      error ? reject(error) : resolve(secured),
    )
  })
}

// The system's error names the address, so only its code is passed on.
function unreachable(error: unknown): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  if (code === 'ERR_PRIVATE_PROXY') throw error
  throw new ProxyError('ERR_PROXY_CONNECT', `The proxy could not be reached (${code})`)
}
