/** Connections through proxies: kept alive for one account and one proxy, and never shared. */
import { Client, type Dispatcher, Pool } from 'undici'
import type { OutboundProxy, UpstreamRequest } from '../../runtime.ts'
import { type ConnectorOptions, refuseLiteral, type SocketWatch } from './connector.ts'
import { createTunnelOpener, type OpenTunnel, type TunnelOptions } from './tunnel.ts'

export type ProxyPoolsOptions = ConnectorOptions & TunnelOptions

/** A request for one of these pools, which ends the tunnel it waits for when `signal` aborts. */
export interface ProxiedRequest extends Dispatcher.DispatchOptions {
  origin: string
  signal: AbortSignal
}

type Via = NonNullable<UpstreamRequest['via']>

export interface ProxyPools {
  /** Sends a request from the pool of its account, proxy (credentials included) and origin. */
  dispatch(via: Via, request: ProxiedRequest, handler: Dispatcher.DispatchHandler): void
  /** A client of its own for one request through the same proxy, which the caller closes. */
  openClient(via: Via, origin: string): Client
  /** How many pools are kept. */
  size(): number
  /** Ends every connection and every attempt at once; later requests fail. */
  close(): Promise<void>
}

/**
 * Makes the pools. A pool is removed with its last connection, so that nothing remains of a changed
 * proxy or a deleted account once its idle connections have been closed.
 */
export function createProxyPools(
  options: ProxyPoolsOptions,
  clientOptions: Client.Options,
  sockets: SocketWatch,
): ProxyPools {
  const pools = new Map<string, Pool>()
  const closing = new AbortController()
  const removeUnused = (key: string) => {
    const { connected, size } = pools.get(key)?.stats ?? {}
    if (!connected && !size) pools.delete(key)
  }
  const opener = (proxy: OutboundProxy) =>
    upstreamGuard(createTunnelOpener(proxy, options), options)
  const openPool = (key: string, proxy: OutboundProxy, origin: string) => {
    const open = opener(proxy)
    const pool = new Pool(origin, {
      ...clientOptions,
      factory: (url, given) => tunnelledClient(url, given, open, sockets, closing.signal),
    })
    pool.on('disconnect', () => removeUnused(key)).on('connectionError', () => removeUnused(key))
    pools.set(key, pool)
    return pool
  }
  return {
    dispatch(via, request, handler) {
      const key = poolKey(via, request.origin)
      const pool = pools.get(key) ?? openPool(key, via.proxy, request.origin)
      pool.dispatch(request, handler)
      removeUnused(key) // a request that cannot be sent has opened no connection
    },
    openClient: ({ proxy }, origin) =>
      tunnelledClient(new URL(origin), clientOptions, opener(proxy), sockets, closing.signal),
    size: () => pools.size,
    async close() {
      closing.abort()
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

function poolKey({ accountId, proxy }: Via, origin: string): string {
  const { protocol, host, port, auth } = proxy
  const credentials = auth ? [auth.username, auth.password] : []
  return JSON.stringify([accountId, origin, protocol, host, port, ...credentials])
}

// The proxy resolves names, so only literal addresses can be checked here.
const upstreamGuard =
  (open: OpenTunnel, { allowPrivateUpstreams }: ConnectorOptions): OpenTunnel =>
  async (target, signals) => {
    const refused = allowPrivateUpstreams ? undefined : refuseLiteral(target.hostname, 'upstream')
    if (refused) throw refused
    return open(target, signals)
  }

/** A client with one connection and one request at a time; the signal of that request ends its tunnel. */
function tunnelledClient(
  origin: URL,
  clientOptions: Client.Options,
  open: OpenTunnel,
  sockets: SocketWatch,
  closing: AbortSignal,
): Client {
  let signals = [closing]
  const client = new Client(origin, {
    ...clientOptions,
    connect: (target, callback) => {
      open(target, signals).then(
        (socket) => {
          sockets.install(socket)
          callback(null, socket)
        },
        (error: Error) => callback(error, null),
      )
    },
  })
  const dispatch = client.dispatch.bind(client)
  client.dispatch = (request: ProxiedRequest, handler) => {
    signals = [closing, request.signal]
    return dispatch(request, handler)
  }
  return client
}
