/** Opens the sockets of the transport, and refuses private addresses. */
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

/** Takes each connected socket before undici does. */
export interface SocketWatch {
  install(socket: Socket): void
}

/** What an address belongs to: each has its own code for a refusal. */
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
 * A lookup that fails when any address of a name is private. The connection goes to the very answer
 * that was checked, so a name that resolves differently the next time changes nothing.
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

/** Makes the connect function of an undici dispatcher; `sockets` gets each socket that it opens. */
export function createConnector(
  options: ConnectorOptions,
  sockets: SocketWatch,
): buildConnector.connector {
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
      sockets.install(socket)
      callback(null, socket)
    })
  }
}
