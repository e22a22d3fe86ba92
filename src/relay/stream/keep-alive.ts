/** Keep-alives: keeps a streaming client alive with comments while no account has begun to answer. */

import { every, type Timer } from '../../clock.ts'
import type { Dialect } from '../../dialects/dialect.ts'
import { errorEvent } from '../../domain/events.ts'
import { asGatewayError, GatewayError } from '../../errors.ts'
import { HeaderList, type RelayAnswer } from '../../http-message.ts'
import type { Runtime } from '../../runtime.ts'
import { readWhole } from '../request/body.ts'
import { unreadableRefusal } from '../respond.ts'
import { isEventStream } from './gate.ts'

/** A comment in a stream of events, which every client skips (HTML Living Standard §9.2.6). */
const comment = ': waiting for the upstream\n\n'
const encoder = new TextEncoder()
const decoder = new TextDecoder()

type Host = Pick<Runtime, 'setTimer' | 'observe'>

export interface KeepAliveOptions {
  dialect: Dialect
  requestId: string
  keyId: string | undefined
  /** How long to wait for the answer itself, and then between two comments. */
  intervalMs: number
  /** Called when the client has gone before the end of the answer. */
  abortClient: () => void
}

/**
 * The answer itself if it comes in time; else a stream that begins with comments, and goes on with
 * the answer's bytes or with one error event. Nothing but comments precedes either.
 * @throws what `answer` throws in time.
 */
export async function sendKeepAlives(
  host: Host,
  answer: Promise<RelayAnswer>,
  options: KeepAliveOptions,
): Promise<RelayAnswer> {
  let timer: Timer | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = host.setTimer(() => resolve(undefined), options.intervalMs)
  })
  try {
    return (await Promise.race([answer, late])) ?? waitingResponse(host, answer, options)
  } finally {
    timer?.clear()
  }
}

function waitingResponse(
  host: Host,
  answer: Promise<RelayAnswer>,
  options: KeepAliveOptions,
): RelayAnswer {
  const { requestId, intervalMs, abortClient } = options
  let rest: ReadableStreamDefaultReader<Uint8Array> | undefined
  let timer: Timer | undefined
  const following = answer
    .then((response) => follow(response, options))
    .catch((error: unknown) => events(encoder.encode(tellError(host, error, options))))
    // Whether or not the client reads: no comment may come after the beginning of the answer.
    .finally(() => timer?.clear())
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const remind = () => controller.enqueue(encoder.encode(comment))
      remind()
      timer = every(host, remind, intervalMs)
    },
    async pull(controller) {
      rest ??= (await following).getReader()
      const { done, value } = await rest.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel(reason) {
      timer?.clear()
      abortClient()
      following.then((stream) => (rest ?? stream).cancel(reason)).catch(() => {})
    },
  })
  const headers = new HeaderList([
    ['content-type', 'text/event-stream; charset=utf-8'],
    ['cache-control', 'no-cache'],
    ['x-accel-buffering', 'no'],
    ['x-request-id', requestId],
  ])
  return { status: 200, headers, body }
}

/**
 * What a stream of events can say of a response, whose status and headers come too late.
 * @throws GatewayError for what has no form as an event.
 */
async function follow(
  answer: RelayAnswer,
  { dialect }: KeepAliveOptions,
): Promise<ReadableStream<Uint8Array>> {
  const { status, body } = answer
  if (isEventStream(answer) && body) return body instanceof Uint8Array ? events(body) : body
  if (status < 400) {
    throw new GatewayError('upstream_failed', 'The upstream did not answer with a stream')
  }
  const refusal = dialect.refusalEvent(decoder.decode(await readWhole(body, Infinity)))
  if (!refusal) throw unreadableRefusal(status)
  return events(encoder.encode(refusal))
}

/** The error as an event of the stream. The app's own error handler does not see it, so it is observed here. */
function tellError(host: Host, error: unknown, options: KeepAliveOptions): string {
  const { dialect, requestId, keyId } = options
  const answer = asGatewayError(error)
  host.observe(errorEvent(answer, { requestId, keyId }))
  return dialect.errorEvent(answer, requestId)
}

const events = (bytes: Uint8Array): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      controller.enqueue(bytes)
      controller.close()
    },
  })
