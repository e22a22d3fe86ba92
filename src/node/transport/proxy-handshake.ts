/** The handshakes that ask a proxy, on an open connection to it, for a tunnel to the upstream. */
import { request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import { SocksClient } from 'socks'
import type { OutboundProxy } from '../../runtime.ts'

/** Where the proxy is asked to connect to; it resolves a name itself. */
export interface Destination {
  hostname: string
  port: number
}

export type ProxyErrorCode =
  /** The proxy could not be connected to, or its certificate is not trusted. */
  | 'ERR_PROXY_CONNECT'
  /** The proxy refuses the credentials, or requires some. */
  | 'ERR_PROXY_AUTH'
  /** The proxy does not connect to the upstream: it will not, or it cannot. */
  | 'ERR_PROXY_REFUSED'
  /** The proxy closed the connection, or its answer is not of its protocol. */
  | 'ERR_PROXY_ANSWER'
  /** The tunnel was not open within the connect timeout. */
  | 'ERR_PROXY_TIMEOUT'

/** An error on the way through a proxy; its message never contains a credential, a host or a URL. */
export class ProxyError extends Error {
  readonly code: ProxyErrorCode

  constructor(code: ProxyErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

type Handshake = (socket: Socket, proxy: OutboundProxy, destination: Destination) => Promise<void>

const answerLimitBytes = 16 * 1024
const socksFieldLimitBytes = 255 // RFC 1929 §2: each length is one byte

/**
 * Opens a tunnel with the CONNECT method (RFC 9110 §9.3.6), credentials by RFC 7617.
 * @throws ProxyError unless the answer is a 2xx whose head has at most 16 KiB.
 */
export const httpHandshake: Handshake = (socket, { auth }, { hostname, port }) => {
  const authority = `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`
  const credentials = auth && Buffer.from(`${auth.username}:${auth.password}`).toString('base64')
  const request = httpRequest({
    createConnection: () => socket,
    method: 'CONNECT',
    path: authority,
    // Node would add `connection: close`, which some proxies apply to the tunnel too.
    setDefaultHeaders: false,
    headers: {
      host: authority,
      ...(credentials && { 'proxy-authorization': `Basic ${credentials}` }),
    },
    maxHeaderSize: answerLimitBytes,
  })
  return new Promise((resolve, reject) => {
    request.on('error', () => {
      reject(new ProxyError('ERR_PROXY_ANSWER', 'The proxy gave no valid HTTP answer'))
    })
    request.once('connect', (response, _socket, head) => {
      const refusal = refusalOf(response.statusCode ?? 0)
      if (refusal) return reject(refusal)
      if (head.length > 0) socket.unshift(head)
      resolve()
    })
    request.end()
  })
}

function refusalOf(status: number): ProxyError | undefined {
  if (status >= 200 && status <= 299) return undefined
  // tinyproxy answers 401 to wrong credentials, and 407 to none.
  if (status === 407 || status === 401) {
    return new ProxyError('ERR_PROXY_AUTH', `The proxy refused the credentials (status ${status})`)
  }
  return new ProxyError('ERR_PROXY_REFUSED', `The proxy refused to connect (status ${status})`)
}

/**
 * Opens a tunnel with SOCKS 5 (RFC 1928 §4), credentials by RFC 1929.
 * @throws ProxyError unless the proxy grants it.
 */
export const socksHandshake: Handshake = async (socket, { host, port, auth }, destination) => {
  const fields = auth ? [auth.username, auth.password] : []
  // The library would throw in an event handler, which would end the process.
  if (fields.some((field) => Buffer.byteLength(field) > socksFieldLimitBytes)) {
    throw new ProxyError('ERR_PROXY_AUTH', 'SOCKS credentials are limited to 255 bytes each')
  }
  try {
    await SocksClient.createConnection({
      existing_socket: socket,
      command: 'connect',
      proxy: {
        type: 5,
        host,
        port,
        ...(auth && { userId: auth.username, password: auth.password }),
      },
      destination: { host: destination.hostname, port: destination.port },
    })
  } catch (error) {
    throw socksError(error instanceof Error ? error.message : '')
  }
}

// The errors of the library differ in their text alone, and contain the credentials.
function socksError(text: string): ProxyError {
  if (/authentication/i.test(text)) {
    return new ProxyError('ERR_PROXY_AUTH', 'The proxy refused the credentials')
  }
  const reply = /rejected connection - (?!undefined|Granted)(\w+)$/.exec(text)?.[1]
  return reply
    ? new ProxyError('ERR_PROXY_REFUSED', `The proxy refused to connect (${reply})`)
    : new ProxyError('ERR_PROXY_ANSWER', 'The proxy gave no valid SOCKS answer')
}
