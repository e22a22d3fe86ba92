/** The caller's request, read and checked before anything is decided. */
import type { KeptBytes } from '../../byte-budget.ts'
import type { Adaptation, Dialect } from '../../dialects/dialect.ts'
import { runInStretches, type Scan, stretchBytes } from '../../dialects/json-scan.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { HeaderReader, HttpRequest } from '../../http-message.ts'
import { declaredLength, readUpload } from './body.ts'
import { contentCoding, decompressed } from './content-coding.ts'
import { type Hints, readHints } from './hints.ts'
import { type Conversation, readConversation } from './session.ts'

/** The caller's request as it came, and the signal that says the caller has gone. */
export interface ClientRequest {
  requestId: string
  /** By default POST. */
  method?: string
  /** What follows the path of the operation, such as the id of a response; by default nothing. */
  subpath?: string
  headers: HeaderReader
  /** The query with its question mark, or empty. */
  search: string
  body: Uint8Array<ArrayBuffer>
  hints: Hints
  conversation: Conversation
  /** What the request asks for beyond what its client does. */
  adaptation?: Adaptation | undefined
  /** Aborted when the client has gone, or is to be answered with the GatewayError in its reason. */
  signal: AbortSignal
}

/** A request that was read, and what its reader has to do later. */
export interface ReceivedRequest {
  client: ClientRequest
  /** Says that the client has gone, where the request itself does not; with a reason, that it gets this error. */
  abortClient: (reason?: GatewayError) => void
  /** Frees the memory of the body, when no account will be sent it any more. */
  dropBody: () => void
}

export const clientClosed = () =>
  new GatewayError('client_closed', 'The client closed the connection')

/** Kept of an upload of unknown length at first, and added whenever it turns out to be longer. */
const uploadStepBytes = 1024 * 1024

/** A shorter body is scanned at once: that takes less time than the rest of its request. */
const unsharedBytes = 16 * 1024

const noBody = new Uint8Array()

/**
 * Reads a request whole, up to BODY_LIMIT_BYTES, when the process has room for it.
 * @throws GatewayError `unsupported_media_type`, `body_too_large`, `gateway_busy`, `client_closed`,
 * and what `readHints` and the dialect throw.
 */
export async function readClientRequest(
  { runtime, bodyMemory, scanTurns }: Pick<Gateway, 'runtime' | 'bodyMemory' | 'scanTurns'>,
  request: HttpRequest,
  { requestId, dialect }: { requestId: string; dialect: Pick<Dialect, 'adapt'> },
): Promise<ReceivedRequest> {
  const { headers, signal, url } = request
  checkMediaType(headers)
  const coding = contentCoding(headers, runtime)
  const limitBytes = runtime.config.BODY_LIMIT_BYTES
  const declaredBytes = declaredLength(headers)
  if ((declaredBytes ?? 0) > limitBytes) throw tooLarge(limitBytes)
  const noRoom = () => (signal.aborted ? clientClosed() : busy())
  let keptBytes = declaredBytes ?? Math.min(limitBytes, uploadStepBytes)
  const kept = await bodyMemory.keep(keptBytes, signal)
  if (!kept) throw noRoom()
  /** For so many bytes of a body, beside others that are held. */
  const makeRoom = async (bytes: number, besideBytes = 0) => {
    if (besideBytes + bytes <= keptBytes) return
    keptBytes = besideBytes + Math.min(limitBytes, bytes + uploadStepBytes)
    if (!(await kept.grow(keptBytes))) throw noRoom()
  }
  try {
    const room = { limitBytes, declaredBytes, makeRoom }
    const sent = await readUpload(request.body, room).catch((error: unknown) => {
      throw error instanceof GatewayError ? error : clientClosed()
    })
    const makeRoomBeside = (bytes: number) => makeRoom(bytes, sent?.length)
    const plain = { limitBytes, makeRoom: makeRoomBeside }
    const body = sent && coding ? await decompressed(coding, sent, plain) : sent
    if (!body) throw tooLarge(limitBytes)
    kept.shrink(body.length)
    const pause = async () => {
      await scanTurns.take(stretchBytes)
      if (signal.aborted) throw clientClosed()
    }
    if (body.length > unsharedBytes) await scanTurns.take(Math.min(body.length, stretchBytes))
    const read = await runInStretches(readBody(headers, body), pause)
    const adaptation = dialect.adapt?.(body, read.hints)
    const query = url.indexOf('?')
    const search = query < 0 ? '' : url.slice(query)
    const aborting = request.abort ? { signal, abort: request.abort } : chained(signal)
    return received({ requestId, headers, search, body, ...read, adaptation }, aborting, kept)
  } catch (error) {
    kept.release()
    throw error
  }
}

function checkMediaType(headers: HeaderReader): void {
  const type = headers.get('content-type') ?? 'application/json'
  if (!/^application\/json\b/i.test(type)) {
    throw new GatewayError('unsupported_media_type', 'The content-type must be application/json')
  }
}

/** Everything that is ever read of a body; computed once, however often the request is planned. */
function* readBody(
  headers: HeaderReader,
  body: Uint8Array<ArrayBuffer>,
): Scan<Pick<ClientRequest, 'hints' | 'conversation'>> {
  const hints = yield* readHints(body)
  return { hints, conversation: yield* readConversation(headers, hints, body) }
}

/** A signal that the relay can abort, and that follows the one of the request. */
function chained(signal: AbortSignal): Aborting {
  const gone = new AbortController()
  const abort = (reason?: unknown) => gone.abort(reason)
  if (signal.aborted) abort()
  else signal.addEventListener('abort', () => abort(), { once: true })
  return { signal: gone.signal, abort }
}

interface Aborting {
  signal: AbortSignal
  abort: (reason?: unknown) => void
}

function received(
  request: Omit<ClientRequest, 'signal'>,
  { signal, abort: abortClient }: Aborting,
  kept: KeptBytes,
): ReceivedRequest {
  const client = { ...request, signal }
  const dropBody = () => {
    client.body = noBody
    kept.release()
  }
  return { client, abortClient, dropBody }
}

const tooLarge = (limitBytes: number) =>
  new GatewayError('body_too_large', `The request body is larger than ${limitBytes} bytes`)

const busy = () =>
  new GatewayError('gateway_busy', 'The gateway has too many uploads in memory; try again', {
    retryAfterSeconds: 1,
  })
