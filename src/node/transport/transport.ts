/** A fetch-shaped transport over undici `dispatch`, at a fifth of the cost of global fetch. */
import { Readable } from 'node:stream'
import { Agent, Client } from 'undici'
import type { Clock, Timers } from '../../clock.ts'
import type { HeaderReader, HttpAnswer } from '../../http-message.ts'
import type { Runtime, UpstreamRequest } from '../../runtime.ts'
import { systemClock } from '../clock.ts'
import { type ConnectorOptions, createConnector, type SocketWatch } from './connector.ts'
import { decodeAnswer } from './decode.ts'
import { Exchange } from './exchange.ts'
import { watchIdleCloses } from './idle-close.ts'
import { createProxyPools, type ProxiedRequest } from './proxy-pools.ts'
import { createReadControls } from './read-control.ts'

export interface TransportOptions extends ConnectorOptions {
  /** When false, a proxy outside the public internet is refused with ERR_PRIVATE_PROXY. */
  allowPrivateProxies: boolean
  /** Measure the time that a tunnel may take; by default the timers of the host. */
  timers?: Timers
  /** Measures how long ago a request was sent; by default the clock of the host. */
  monotonicMs?: Clock['monotonicMs']
}

export interface Transport {
  /**
   * Sends a request and resolves with its answer, decoded and with redirects not followed.
   * A body declared up to 64 KiB is complete by then; a longer one streams, and errors when it is
   * truncated. A request that meets a connection which the upstream has just closed as idle is sent once
   * more, on a new connection. Rejects on connect, TLS, reset and refusal, with a `ProxyError` when a proxy is at fault,
   * and with the signal's reason on abort.
   */
  fetch: Runtime['fetch']
  /** Ends every connection at once; what is in flight fails. */
  close(): Promise<void>
}

const clientOptions = {
  keepAliveTimeout: 30_000,
  headersTimeout: 0, // callers limit the time, by their signal
  bodyTimeout: 0,
}
/** A request body beyond this length is not kept in memory until the answer ends. */
const keptBytes = 64 * 1024

/**
 * Makes a transport with its own pools of connections: one pool per origin, and behind proxies one
 * per account and proxy as well.
 */
export function createTransport(options: TransportOptions): Transport {
  const controls = createReadControls()
  const idleCloses = watchIdleCloses(options.monotonicMs ?? systemClock.monotonicMs)
  const sockets: SocketWatch = {
    install(socket) {
      // First, so that it sees every byte: controls hold some back.
      idleCloses.install(socket)
      controls.install(socket)
    },
  }
  const connect = createConnector(options, sockets)
  const agent = new Agent({ connect, ...clientOptions })
  const proxied = createProxyPools(options, clientOptions, sockets)
  const single = createSingleClients()
  const split = createUrlSplitter()
  return {
    fetch: (url, request) =>
      new Promise<HttpAnswer>((resolve, reject) => {
        if (request.signal.aborted) return reject(request.signal.reason)
        const { via } = request
        const { origin, path } = split(url)
        const message = (): ProxiedRequest => ({
          origin,
          path,
          method: request.method,
          headers: flatHeaders(request.headers, request.body),
          body: dispatchedBody(request.body),
          signal: request.signal,
        })
        const sendAnew = () => {
          const client = via
            ? proxied.openClient(via, origin)
            : new Client(origin, { connect, ...clientOptions })
          single.dispatch(client, message(), exchange)
        }
        const repeat = { aboutToSend: idleCloses.aboutToSend, sendAnew }
        const exchange = new Exchange(request, controls, repeat, resolve, reject)
        if (via) proxied.dispatch(via, message(), exchange)
        else agent.dispatch(message(), exchange)
      }).then(decodeAnswer),
    async close() {
      idleCloses.close()
      await Promise.all([agent.destroy(), proxied.close(), single.close()])
    },
  }
}

/** Queries are the client's, so the number of remembered URLs needs a bound. */
const maxUrls = 1_000

/** Splits URLs into origin and path, and remembers how: a few are called again and again. */
function createUrlSplitter(): (url: string) => { origin: string; path: string } {
  const known = new Map<string, { origin: string; path: string }>()
  return (url) => {
    const remembered = known.get(url)
    if (remembered) return remembered
    const { origin, pathname, search } = new URL(url)
    const parts = { origin, path: pathname + search }
    if (known.size >= maxUrls) known.clear()
    known.set(url, parts)
    return parts
  }
}

/** Clients that send one request each, and close when it has ended. */
function createSingleClients() {
  const clients = new Set<Client>()
  let isClosed = false
  return {
    dispatch(client: Client, message: ProxiedRequest, exchange: Exchange) {
      clients.add(client)
      client.dispatch(message, exchange)
      const end = isClosed ? client.destroy() : client.close()
      end.finally(() => clients.delete(client))
    },
    async close() {
      isClosed = true
      await Promise.all([...clients].map((client) => client.destroy()))
    },
  }
}

/**
 * undici keeps a buffer in memory until the answer has ended, which for a stream is long after it was
 * sent. So a large body is sent as a stream, which keeps no reference to it.
 */
function dispatchedBody(body: UpstreamRequest['body']) {
  if (!body || body.length <= keptBytes) return body ?? null
  let rest: typeof body | null = body
  return new Readable({
    read() {
      this.push(rest)
      if (rest) this.push(null)
      rest = null
    },
  })
}

// undici sets the length of a buffer itself, and refuses a request whose two lengths differ.
function flatHeaders(headers: HeaderReader, body: UpstreamRequest['body']): string[] {
  const flat: string[] = []
  for (const [name, value] of headers) {
    if (name !== 'content-length') flat.push(name, value)
  }
  if (body && body.length > keptBytes) flat.push('content-length', String(body.length))
  return flat
}
