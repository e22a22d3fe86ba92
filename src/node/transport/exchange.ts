/** One request to an upstream: turns the callbacks of undici into one promise and one body. */
import type { Dispatcher } from 'undici'
import { HeaderList, type HttpAnswer } from '../../http-message.ts'
import type { UpstreamRequest } from '../../runtime.ts'
import { ChunkQueue } from './chunk-queue.ts'
import type { IdleCloses, SentOn } from './idle-close.ts'
import type { ReadControl, ReadControls } from './read-control.ts'

/** A body that is declared up to this length is collected; a longer one streams. */
const collectedBytes = 64 * 1024
/** A stream that has this much unread pauses its connection. */
const queuedBytes = 128 * 1024
const nullBodyStatuses = new Set([204, 205, 304])

// In latin1 each byte is one character, and becomes the same byte again when it is forwarded.
const decodeField = (value: Buffer | string | undefined) =>
  typeof value === 'object' ? value.toString('latin1') : String(value)

/** RFC 9110 §5.1 and §5.5; what else a connection brings cannot be passed on. */
const fieldName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

function responseHeaders({ rawHeaders }: Dispatcher.DispatchController): HeaderList {
  const headers = new HeaderList()
  const fields = Array.isArray(rawHeaders) ? rawHeaders : []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = decodeField(fields[i])
    const value = decodeField(fields[i + 1])
    // One field that cannot be represented must not fail the whole response.
    if (fieldName.test(name) && fieldValue.test(value)) headers.append(name, value.trim())
  }
  return headers
}

/** How a request is sent once more; its body is kept in memory for as long as this is. */
export interface Repeat {
  /** Gets to know the connection of the request that is about to be sent. */
  aboutToSend: IdleCloses['aboutToSend']
  /** Sends the same request on a connection of its own. */
  sendAnew(): void
}

/**
 * `resolve` gets the response, with its body complete or still streaming; `reject` gets what failed
 * before that. What fails later is an error of the body.
 *
 * A request that meets a connection which the upstream has just closed as idle is sent once more. A
 * request that is not idempotent may be repeated only if it is known that the first one was not
 * processed (RFC 9110 §9.2.2); servers close an idle connection at any moment, and clients are told
 * to expect it (RFC 9112 §9.3, §9.6). So it is repeated only where nothing else is likely: on a
 * connection that was answered on before, without one byte of an answer, right after it was sent,
 * and never twice.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  #method: string
  #signal: AbortSignal
  #resolve: (answer: HttpAnswer) => void
  #reject: (reason: unknown) => void
  #controller: Dispatcher.DispatchController | undefined
  #controls: ReadControls
  /** Undefined once the answer has begun, and once the request was repeated. */
  #repeat: Repeat | undefined
  #sentOn: SentOn | undefined
  #readControl: ReadControl | undefined
  #stream: ChunkQueue | undefined
  #head: Pick<HttpAnswer, 'status' | 'headers'> = { status: 0, headers: new HeaderList() }
  #hasBody = true
  #chunks: Buffer[] = []
  #done = false

  constructor(
    request: UpstreamRequest,
    controls: ReadControls,
    repeat: Repeat,
    resolve: (answer: HttpAnswer) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#method = request.method
    this.#controls = controls
    this.#repeat = repeat
    this.#signal = request.signal
    this.#resolve = resolve
    this.#reject = reject
    request.signal.addEventListener('abort', this.#onAbort)
  }

  onRequestStart(controller: Dispatcher.DispatchController) {
    this.#controller = controller
    if (this.#done) {
      controller.abort(new Error('The request was aborted before it was sent'))
      return
    }
    this.#repeat?.aboutToSend((connection) => {
      this.#sentOn = connection
    })
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number) {
    if (status < 200) return
    if (status > 599) return this.#abort(new Error(`The upstream answered with status ${status}`))
    const headers = responseHeaders(controller)
    this.#repeat = undefined
    this.#head = { status, headers }
    this.#hasBody = this.#method !== 'HEAD' && !nullBodyStatuses.has(status)
    const length = headers.get('content-length')
    const isShort = length !== null && Number(length) <= collectedBytes
    if (this.#hasBody && !isShort) this.#resolve({ ...this.#head, body: this.#openStream() })
  }

  onResponseData(_controller: unknown, chunk: Buffer) {
    if (this.#done || !this.#hasBody) return
    if (!this.#stream) {
      this.#chunks.push(chunk)
      return
    }
    this.#stream.push(chunk)
    if (this.#stream.isFull) this.#readControl?.pause()
  }

  onResponseEnd() {
    this.#controls.current()?.expectHead()
    if (this.#done) return
    // Without a length the end of the connection is the end of the body, unless an error ended it.
    const error = this.#readControl?.error()
    if (error) return this.#fail(error)
    this.#finish()
    if (this.#stream) return this.#stream.close()
    this.#resolve({ ...this.#head, body: this.#hasBody ? Buffer.concat(this.#chunks) : null })
  }

  onResponseError(_controller: unknown, error: Error) {
    const repeat = this.#repeat
    if (this.#done || !repeat || !this.#sentOn?.wasClosedIdle(error)) return this.#fail(error)
    this.#repeat = undefined
    repeat.sendAnew()
  }

  #openStream(): ChunkQueue {
    const readControl = this.#controls.current()
    this.#readControl = readControl
    this.#stream = new ChunkQueue(queuedBytes, {
      onDrained: () => readControl?.resume(),
      onCancel: (reason) => this.#abort(reason),
    })
    return this.#stream
  }

  #onAbort = () => this.#abort(this.#signal.reason)

  #abort(reason: unknown) {
    this.#fail(reason)
    this.#controller?.abort(reason instanceof Error ? reason : new Error('The request was aborted'))
  }

  #fail(reason: unknown) {
    if (this.#done) return
    this.#finish()
    if (this.#stream) this.#stream.fail(reason)
    else this.#reject(reason)
  }

  #finish() {
    this.#done = true
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#readControl?.resume() // the next exchange on this connection must not find it paused
  }
}
