/** A fetch-shaped transport over undici `dispatch`, at a fifth of the cost of global fetch. */
import { Readable } from 'node:stream'
import { Agent, type Dispatcher } from 'undici'
import type { Runtime, UpstreamRequest } from '../../runtime.ts'
import { type ConnectorOptions, createConnector, currentValve, type Valve } from './connector.ts'
import { decodeResponse } from './decode.ts'
import { createProxyPools, type ProxiedRequest } from './proxy-pools.ts'

export interface TransportOptions extends ConnectorOptions {
  /** When false, a proxy outside the public internet is refused with ERR_PRIVATE_PROXY. */
  allowPrivateProxies: boolean
}

export interface Transport {
  /**
   * Sends a request and resolves with its response, decoded and with redirects not followed.
   * A body declared up to 64 KiB is complete by then; a longer one streams, and errors when it is
   * cut. Rejects on connect, TLS, reset and refusal, with a `ProxyError` when a proxy is at fault,
   * and with the signal's reason on abort.
   */
  fetch: Runtime['fetch']
  /** Ends every connection at once; what is in flight fails. */
  close(): Promise<void>
}

const bufferedBytes = 64 * 1024
const queuedBytes = 128 * 1024
const wireOptions = {
  keepAliveTimeout: 30_000,
  headersTimeout: 0, // callers keep the time, by their signal
  bodyTimeout: 0,
}
const nullBodyStatuses = new Set([204, 205, 304])

/**
 * Makes a transport with its own pools of connections: one pool per origin, and behind proxies one
 * per account and proxy as well.
 */
export function createTransport(options: TransportOptions): Transport {
  const agent = new Agent({ connect: createConnector(options), ...wireOptions })
  const proxied = createProxyPools(options, wireOptions)
  return {
    fetch: (url, request) =>
      new Promise<Response>((resolve, reject) => {
        if (request.signal.aborted) return reject(request.signal.reason)
        const { origin, pathname, search } = new URL(url)
        const message: ProxiedRequest = {
          origin,
          path: pathname + search,
          method: request.method,
          headers: flatten(request.headers, request.body),
          body: released(request.body),
          signal: request.signal,
        }
        const exchange = new Exchange(request, resolve, reject)
        if (request.via) proxied.dispatch(request.via, message, exchange)
        else agent.dispatch(message, exchange)
      }).then(decodeResponse),
    async close() {
      await Promise.all([agent.destroy(), proxied.close()])
    },
  }
}

/**
 * undici holds on to a buffer until the answer has ended, which for a stream is long after it was
 * sent. A large one is handed over as a stream that has forgotten it by then.
 */
function released(body: UpstreamRequest['body']) {
  if (!body || body.length <= bufferedBytes) return body ?? null
  let rest: typeof body | null = body
  return new Readable({
    read() {
      this.push(rest)
      if (rest) this.push(null)
      rest = null
    },
  })
}

// The length of a buffer is left to undici, which refuses a request whose two lengths differ.
function flatten(headers: Headers, body: UpstreamRequest['body']): string[] {
  const flat: string[] = []
  for (const [name, value] of headers) {
    if (name !== 'content-length') flat.push(name, value)
  }
  if (body && body.length > bufferedBytes) flat.push('content-length', String(body.length))
  return flat
}

// As latin1 a byte stays one character, and is the same byte again when it is forwarded.
const text = (value: Buffer | string | undefined) =>
  typeof value === 'object' ? value.toString('latin1') : String(value)

function responseHeaders({ rawHeaders }: Dispatcher.DispatchController): Headers {
  const headers = new Headers()
  const fields = Array.isArray(rawHeaders) ? rawHeaders : []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    try {
      headers.append(text(fields[i]), text(fields[i + 1]))
    } catch {
      // One field that cannot be represented must not cost the whole response.
    }
  }
  return headers
}

/** One request on its way: turns the callbacks of undici into one promise and one body. */
class Exchange implements Dispatcher.DispatchHandler {
  #method: string
  #signal: AbortSignal
  #resolve: (response: Response) => void
  #reject: (reason: unknown) => void
  #wire: Dispatcher.DispatchController | undefined
  #valve: Valve | undefined
  #sink: ReadableStreamDefaultController<Uint8Array> | undefined
  #head: ResponseInit = {}
  #hasBody = true
  #chunks: Buffer[] = []
  #done = false

  constructor(
    request: UpstreamRequest,
    resolve: (response: Response) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#method = request.method
    this.#signal = request.signal
    this.#resolve = resolve
    this.#reject = reject
    request.signal.addEventListener('abort', this.#onAbort)
  }

  onRequestStart(wire: Dispatcher.DispatchController) {
    this.#wire = wire
    if (this.#done) wire.abort(new Error('The request was aborted before it was sent'))
  }

  onResponseStart(
    wire: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText = '',
  ) {
    if (status < 200) return
    if (status > 599) return this.#abort(new Error(`The upstream answered with status ${status}`))
    const headers = responseHeaders(wire)
    const isPlain = /^[\t\x20-\x7e]*$/.test(statusText)
    this.#head = { status, statusText: isPlain ? statusText : '', headers }
    this.#hasBody = this.#method !== 'HEAD' && !nullBodyStatuses.has(status)
    const length = headers.get('content-length')
    const isShort = length !== null && Number(length) <= bufferedBytes
    if (this.#hasBody && !isShort) this.#resolve(new Response(this.#stream(), this.#head))
  }

  onResponseData(_wire: unknown, chunk: Buffer) {
    if (this.#done || !this.#hasBody) return
    if (!this.#sink) {
      this.#chunks.push(chunk)
      return
    }
    this.#sink.enqueue(chunk)
    if ((this.#sink.desiredSize ?? 0) <= 0) this.#valve?.shut()
  }

  onResponseEnd() {
    if (this.#done) return
    // Without a length the end of the connection is the end of the body, unless it broke.
    const fault = this.#valve?.fault()
    if (fault) return this.#fail(fault)
    this.#finish()
    if (this.#sink) return this.#sink.close()
    const body = this.#hasBody ? Buffer.concat(this.#chunks) : null
    this.#resolve(new Response(body, this.#head))
  }

  onResponseError(_wire: unknown, error: Error) {
    this.#fail(error)
  }

  #stream(): ReadableStream<Uint8Array> {
    const valve = currentValve()
    this.#valve = valve
    return new ReadableStream<Uint8Array>(
      {
        start: (sink) => {
          this.#sink = sink
        },
        pull: () => valve?.open(),
        cancel: (reason) => this.#abort(reason),
      },
      { highWaterMark: queuedBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    )
  }

  #onAbort = () => this.#abort(this.#signal.reason)

  #abort(reason: unknown) {
    this.#fail(reason)
    this.#wire?.abort(reason instanceof Error ? reason : new Error('The request was aborted'))
  }

  #fail(reason: unknown) {
    if (this.#done) return
    this.#finish()
    if (this.#sink) this.#sink.error(reason)
    else this.#reject(reason)
  }

  #finish() {
    this.#done = true
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#valve?.open() // the next exchange on this connection must not find it shut
  }
}
