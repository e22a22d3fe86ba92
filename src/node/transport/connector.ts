/** Opens the sockets of the transport: refuses private addresses, and lets a reader stall one. */
import { lookup as dnsLookup } from 'node:dns'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { buildConnector } from 'undici'
import { isPublicAddress } from '../../upstream-url.ts'

export interface ConnectorOptions {
  connectTimeoutMs: number
  /** When false, an address outside the public internet is refused with ERR_PRIVATE_UPSTREAM. */
  allowPrivateUpstreams: boolean
  /** Resolves names in place of the system's resolver. */
  lookup?: LookupFunction
}

/** Stops and restarts reading from one connection. */
export interface Valve {
  shut(): void
  open(): void
  /** What broke the connection, if anything has. */
  fault(): Error | null
}

/** What an address is judged for: each has a code of its own when it is refused. */
export type Peer = 'upstream' | 'proxy'

const refusalCodes = { upstream: 'ERR_PRIVATE_UPSTREAM', proxy: 'ERR_PRIVATE_PROXY' }

const refusal = (peer: Peer) =>
  Object.assign(new Error(`The ${peer} resolves to a private or reserved address`), {
    code: refusalCodes[peer],
  })

/** The error that refuses a private literal address; undefined for a public one and for a name. */
export const refuseLiteral = (host: string, peer: Peer): Error | undefined =>
  isIP(host) && !isPublicAddress(host) ? refusal(peer) : undefined

/**
 * A lookup that fails when any address of a name is private. The very answer that is checked is
 * connected to, so a name cannot change its mind in between.
 */
export const publicOnly =
  (lookup: LookupFunction, peer: Peer): LookupFunction =>
  (hostname, options, callback) =>
    lookup(hostname, options, (error, address, family) => {
      if (error) return callback(error, address, family)
      const found = typeof address === 'string' ? [address] : address.map((entry) => entry.address)
      if (found.every(isPublicAddress)) return callback(null, address, family)
      callback(refusal(peer), address, family)
    })

let delivering: Valve | undefined

/** The valve of the connection whose bytes are being parsed; only within a response callback. */
export const currentValve = () => delivering

/**
 * Gives a connected socket its `Valve`, before undici takes it. The pause of undici 7 is not used:
 * a connection that is not kept alive and ends while paused fails an assertion in an event handler,
 * which would end the process.
 */
export function fitValve(socket: Socket): void {
  const read = socket.read.bind(socket)
  let isShut = false
  const valve: Valve = {
    shut: () => {
      isShut = true
    },
    open: () => {
      if (!isShut) return
      isShut = false
      // The parser is not re-entrant, and this may be called from within it.
      queueMicrotask(() => {
        if (!isShut && !socket.destroyed) socket.emit('readable')
      })
    },
    fault: () => socket.errored,
  }
  socket.read = (size) => {
    const chunk: unknown = isShut ? null : read(size)
    delivering = valve // undici parses what it has read in the same turn
    return chunk
  }
}

/** Makes the connect function of an undici dispatcher; each socket it opens has a `Valve`. */
export function createConnector(options: ConnectorOptions): buildConnector.connector {
  const { allowPrivateUpstreams, connectTimeoutMs } = options
  const lookup = options.lookup ?? dnsLookup
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    lookup: allowPrivateUpstreams ? lookup : publicOnly(lookup, 'upstream'),
  })
  return (target, callback) => {
    // A literal address is never looked up.
    const refused = allowPrivateUpstreams ? undefined : refuseLiteral(target.hostname, 'upstream')
    if (refused) {
      queueMicrotask(() => callback(refused, null))
      return
    }
    connect(target, (...[error, socket]) => {
      if (error) return callback(error, null)
      fitValve(socket)
      callback(null, socket)
    })
  }
}
