/** Hold open: keeps a streaming client alive with comments while no account has begun to answer. */
import { GatewayError } from '../errors.ts'
import type { Protocol } from '../protocol/protocol.ts'

/** A comment in a stream of events, which every client skips (HTML Living Standard §9.2.6). */
const comment = ': waiting for the upstream\n\n'
const encoder = new TextEncoder()

export interface HoldOpenOptions {
  protocol: Protocol
  requestId: string
  /** How long to wait for the answer itself, and then between two comments. */
  intervalMs: number
  /** Called when the client has gone before the answer came. */
  onLeave: () => void
}

/**
 * The answer itself if it comes in time; else a stream that begins with comments, and goes on with
 * the answer's bytes or with one error event. Nothing but comments precedes either.
 * @throws what `answer` throws in time.
 */
export async function holdOpen(
  answer: Promise<Response>,
  options: HoldOpenOptions,
): Promise<Response> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), options.intervalMs)
  })
  try {
    return (await Promise.race([answer, late])) ?? waitingResponse(answer, options)
  } finally {
    clearTimeout(timer)
  }
}

function waitingResponse(answer: Promise<Response>, options: HoldOpenOptions): Response {
  const { protocol, requestId, intervalMs, onLeave } = options
  const following = answer.then(
    (response) => follow(response, protocol, requestId),
    (error: unknown) => events(protocol.errorEvent(asGatewayError(error), requestId)),
  )
  let rest: ReadableStreamDefaultReader<Uint8Array> | undefined
  let timer: ReturnType<typeof setInterval> | undefined
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const remind = () => controller.enqueue(encoder.encode(comment))
      remind()
      timer = setInterval(remind, intervalMs)
    },
    async pull(controller) {
      if (!rest) {
        rest = (await following).getReader()
        clearInterval(timer)
      }
      const { done, value } = await rest.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel(reason) {
      clearInterval(timer)
      onLeave()
      following.then((stream) => (rest ?? stream).cancel(reason)).catch(() => {})
    },
  })
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
      'x-request-id': requestId,
    },
  })
}

/** What a stream of events can say of a response, whose status and headers come too late. */
async function follow(
  response: Response,
  protocol: Protocol,
  requestId: string,
): Promise<ReadableStream<Uint8Array>> {
  const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream')
  if (isStream && response.body) return response.body
  const refusal = response.status >= 400 && protocol.refusalEvent(await response.text())
  if (refusal) return events(refusal)
  const unfit = new GatewayError('upstream_failed', 'The upstream did not answer with a stream')
  return events(protocol.errorEvent(unfit, requestId))
}

const asGatewayError = (error: unknown) =>
  error instanceof GatewayError ? error : new GatewayError('internal', 'The gateway failed')

const events = (text: string): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      controller.enqueue(encoder.encode(text))
      controller.close()
    },
  })
