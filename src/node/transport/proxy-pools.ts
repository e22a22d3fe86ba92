/** Connections through proxies: kept alive within one account and one proxy, and never beyond. */
import { Client, type Dispatcher, Pool } from 'undici'
import type { OutboundProxy, UpstreamRequest } from '../../runtime.ts'
import { type ConnectorOptions, fitValve, refuseLiteral } from './connector.ts'
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
  /** How many pools are kept. */
  size(): number
  /** Ends every connection and every attempt at once; later requests fail. */
  close(): Promise<void>
}

/**
 * Makes the pools. One is forgotten with its last connection, so that neither a changed proxy nor a
 * deleted account leaves anything behind for longer than an idle connection is kept.
 */
export function createProxyPools(options: ProxyPoolsOptions, wire: Client.Options): ProxyPools {
  const pools = new Map<string, Pool>()
  const closing = new AbortController()
  const forgetUnused = (key: string) => {
    const { connected, size } = pools.get(key)?.stats ?? {}
    if (!connected && !size) pools.delete(key)
  }
  const openPool = (key: string, proxy: OutboundProxy, origin: string) => {
    const open = upstreamGuard(createTunnelOpener(proxy, options), options)
    const pool = new Pool(origin, {
      ...wire,
      factory: (url, given) => tunnelledClient(url, given, open, closing.signal),
    })
    pool.on('disconnect', () => forgetUnused(key)).on('connectionError', () => forgetUnused(key))
    pools.set(key, pool)
    return pool
  }
  return {
    dispatch(via, request, handler) {
      const key = poolKey(via, request.origin)
      const pool = pools.get(key) ?? openPool(key, via.proxy, request.origin)
      pool.dispatch(request, handler)
      forgetUnused(key) // a request that cannot be sent has opened nothing
    },
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

// A name is resolved by the proxy, so that only what is written as an address can be judged.
const upstreamGuard =
  (open: OpenTunnel, { allowPrivateUpstreams }: ConnectorOptions): OpenTunnel =>
  async (target, signals) => {
    const refused = allowPrivateUpstreams ? undefined : refuseLiteral(target.hostname, 'upstream')
    if (refused) throw refused
    return open(target, signals)
  }

/** A client of one connection; it is busy with one request at a time, whose signal rules its tunnel. */
function tunnelledClient(
  origin: URL,
  wire: Client.Options,
  open: OpenTunnel,
  closing: AbortSignal,
): Client {
  let signals = [closing]
  const client = new Client(origin, {
    ...wire,
    connect: (target, callback) => {
      open(target, signals).then(
        (socket) => {
          fitValve(socket)
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
