/** The caller's request, read and checked before anything is decided. */
import { GatewayError } from '../../errors.ts'
import { readMessage } from './body.ts'
import { type Hints, readHints } from './hints.ts'

/** The caller's request as it came, and the signal that says the caller has gone. */
export interface ClientRequest {
  requestId: string
  headers: Headers
  /** The query with its question mark, or empty. */
  search: string
  body: Uint8Array<ArrayBuffer>
  hints: Hints
  /** Aborted when the client has gone, or is to be answered with the GatewayError in its reason. */
  signal: AbortSignal
}

export const clientClosed = () =>
  new GatewayError('client_closed', 'The client closed the connection')

/**
 * Reads a request whole, up to `limitBytes`.
 * @returns it, and a way to say that its client has gone where the request itself does not; with a
 * reason, that the client is still there and gets this error.
 * @throws GatewayError `unsupported_media_type`, `body_too_large`, `client_closed`, and what `readHints` throws.
 */
export async function readClientRequest(
  request: Request,
  requestId: string,
  limitBytes: number,
): Promise<{ client: ClientRequest; abortClient: (reason?: GatewayError) => void }> {
  const { headers, signal, url } = request
  const type = headers.get('content-type') ?? 'application/json'
  if (!/^application\/json\b/i.test(type)) {
    throw new GatewayError('unsupported_media_type', 'The content-type must be application/json')
  }
  const encoding = headers.get('content-encoding') ?? 'identity'
  if (encoding !== 'identity') {
    throw new GatewayError('unsupported_media_type', 'The request body must not be compressed')
  }
  const body = await readMessage(request, limitBytes).catch((error: unknown) => {
    throw signal.aborted ? clientClosed() : error
  })
  if (!body) {
    throw new GatewayError('body_too_large', `The request body is larger than ${limitBytes} bytes`)
  }
  const query = url.indexOf('?')
  const search = query < 0 ? '' : url.slice(query)
  const gone = new AbortController()
  const abortClient = (reason?: GatewayError) => gone.abort(reason)
  const onAbort = () => abortClient()
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  const client = { requestId, headers, search, body, hints: readHints(body), signal: gone.signal }
  return { client, abortClient }
}
