/** Hold open: keeps a streaming client alive with comments while no account has begun to answer. */

import type { Dialect } from '../../dialects/dialect.ts'
import { GatewayError, ownFaults } from '../../errors.ts'
import type { Logger } from '../../runtime.ts'
import { unreadableRefusal } from '../respond.ts'
import { isEventStream } from './gate.ts'

/** A comment in a stream of events, which every client skips (HTML Living Standard §9.2.6). */
const comment = ': waiting for the upstream\n\n'
const encoder = new TextEncoder()

export interface HoldOpenOptions {
  dialect: Dialect
  requestId: string
  /** How long to wait for the answer itself, and then between two comments. */
  intervalMs: number
  /** Called when the client has gone before the end of the answer. */
  onLeave: () => void
  log: Logger
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
  const { requestId, intervalMs, onLeave } = options
  let rest: ReadableStreamDefaultReader<Uint8Array> | undefined
  let timer: ReturnType<typeof setInterval> | undefined
  const following = answer
    .then((response) => follow(response, options))
    .catch((error: unknown) => events(errorEvent(error, options)))
    // Whether or not the client reads: no comment may follow the answer, or outlive it.
    .finally(() => clearInterval(timer))
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const remind = () => controller.enqueue(encoder.encode(comment))
      remind()
      timer = setInterval(remind, intervalMs)
    },
    async pull(controller) {
      rest ??= (await following).getReader()
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

/**
 * What a stream of events can say of a response, whose status and headers come too late.
 * @throws GatewayError for what has no form as an event.
 */
async function follow(
  response: Response,
  { dialect }: HoldOpenOptions,
): Promise<ReadableStream<Uint8Array>> {
  const { status, body } = response
  if (isEventStream(response) && body) return body
  if (status < 400) {
    throw new GatewayError('upstream_failed', 'The upstream did not answer with a stream')
  }
  const refusal = dialect.refusalEvent(await response.text())
  if (!refusal) throw unreadableRefusal(status)
  return events(refusal)
}

/** The error as an event. Nobody above hears of it any more, so it is logged here. */
function errorEvent(error: unknown, { dialect, requestId, log }: HoldOpenOptions): string {
  const isKnown = error instanceof GatewayError
  const told = isKnown
    ? error
    : new GatewayError('internal', 'The gateway failed', { cause: error })
  const { code, cause } = told
  if (ownFaults.has(code)) log.error('failed', { requestId, code, error: String(cause ?? told) })
  else log.info('refused', { requestId, code })
  return dialect.errorEvent(told, requestId)
}

const events = (text: string): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      controller.enqueue(encoder.encode(text))
      controller.close()
    },
  })
