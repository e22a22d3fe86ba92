/** Serves the relay's routes straight from the HTTP server, without the objects that a web request would need. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Timers } from '../clock.ts'
import { type ByteRead, HeaderList, type HttpRequest, type RelayAnswer } from '../http-message.ts'
import { requestIdOf } from '../relay/request/request-id.ts'
import type { RelayRoute } from '../relay/routes.ts'
import type { ServeRelay } from '../relay/serve.ts'
import type { RunningWork } from './running-work.ts'
import { endUnreadUpload } from './unread-uploads.ts'
import { UploadReader } from './upload-reader.ts'

export interface RelayServerOptions {
  /** The route of the relay that a path stands for, in any spelling. */
  routeOf: (path: string) => RelayRoute | undefined
  serve: ServeRelay
  running: RunningWork
  clock: Timers & { now(): number }
  /** Serves every other request. */
  others: RequestListener
}

/** What needs no decoding; a request with anything else in its path or `host` is left to the others. */
const plainPath = /^\/[\w/-]+$/
const plainHost = /^[\w.:[\]-]+$/

export function createRelayServer(options: RelayServerOptions): RequestListener {
  const { routeOf, others } = options
  return (incoming, outgoing) => {
    const { method, url = '', headers } = incoming
    const query = url.indexOf('?')
    const path = query < 0 ? url : url.slice(0, query)
    const isPlain = method === 'POST' && plainPath.test(path) && plainHost.test(headers.host ?? '')
    const route = isPlain ? routeOf(path) : undefined
    if (route) answer(options, route, incoming, outgoing)
    else others(incoming, outgoing)
  }
}

async function answer(
  { serve, running, clock }: RelayServerOptions,
  route: RelayRoute,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const client = new AbortController()
  const { end, onBreakOff: onStopping } = running.start()
  const closed = new Promise<void>((resolve) => {
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) client.abort()
      resolve()
    })
  })
  const request = asHttpRequest(incoming, client)
  const requestId = requestIdOf(request.headers, clock.now())
  const given = await serve(route, request, { requestId, onStopping })
  try {
    endUnreadUpload(incoming, outgoing, clock)
    send(given, outgoing)
  } catch {
    // An answer that HTTP cannot carry; no other could be given by now.
    outgoing.destroy()
  }
  await closed
  // One turn later, listeners for a broken connection have deferred what is left to do.
  setImmediate(end)
}

function asHttpRequest(incoming: IncomingMessage, client: AbortController): HttpRequest {
  const headers = new HeaderList()
  const { rawHeaders, url = '' } = incoming
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '')
  }
  const { signal } = client
  const abort = (reason?: unknown) => client.abort(reason)
  return { url, headers, body: new UploadReader(incoming), signal, abort }
}

const nullBodyStatuses = new Set([204, 304])

function send({ status, headers, body }: RelayAnswer, outgoing: ServerResponse): void {
  const isOpen = body !== null && !(body instanceof Uint8Array)
  if (outgoing.destroyed) {
    if (isOpen) body.cancel().catch(() => {})
    return
  }
  const fields: string[] = []
  for (const [name, value] of headers) fields.push(name, value)
  if (isOpen) {
    outgoing.writeHead(status, fields)
    pipe(body, outgoing)
    return
  }
  if (!nullBodyStatuses.has(status)) fields.push('content-length', String(body?.length ?? 0))
  outgoing.writeHead(status, fields)
  outgoing.end(body)
}

/** Writes a stream as its client takes it; a client that goes ends it. */
function pipe(stream: ReadableStream<Uint8Array>, outgoing: ServerResponse): void {
  const reader = stream.getReader()
  const cancel = () => void reader.cancel().catch(() => {})
  outgoing.once('close', cancel)
  // The head goes out with the first bytes, if they are there in this turn.
  const flush = setImmediate(() => outgoing.flushHeaders())
  const fail = () => outgoing.destroy()
  const next = () => reader.read().then(write).catch(fail)
  const write = ({ done, value }: ByteRead) => {
    clearImmediate(flush)
    if (outgoing.destroyed) return
    if (done) {
      outgoing.off('close', cancel)
      outgoing.end()
    } else if (outgoing.write(value)) next()
    else outgoing.once('drain', next)
  }
  next()
}
