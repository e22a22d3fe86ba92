/** Judge: what an upstream's response means, once enough of it has been read to tell. */

import type { UsageReader } from '../../dialects/dialect.ts'
import { downstreamHeaders } from '../../dialects/headers.ts'
import { accountFailure } from '../../domain/cooldowns.ts'
import type { UpstreamError } from '../../domain/upstream-error.ts'
import { parseJson } from '../../json.ts'
import { classifyAnswer, classifyErrorEvent } from '../../platforms/failures/classify.ts'
import { readMessage } from '../request/body.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import { isEventStream, openStream } from '../stream/gate.ts'
import type { AttemptContext, Outcome } from './outcome.ts'

const maxRefusalBytes = 1024 * 1024
const maxAnswerBytes = 64 * 1024 * 1024

/**
 * Reads `response` until its outcome is known: a JSON body whole, a stream to its first content.
 * @param onEvent is told of each event before that.
 * @throws what reading the body throws.
 */
export async function judge(
  context: AttemptContext,
  planned: PlannedAccount,
  response: Response,
  usage: UsageReader,
  onEvent: () => void,
): Promise<Outcome> {
  const { status } = response
  const headers = downstreamHeaders(response.headers)
  if (planned.upstreamModel !== context.client.hints.model) headers.delete('openai-model')
  const head = { status, headers }
  const isSuccess = status >= 200 && status <= 299
  if (isSuccess && isEventStream(response) && response.body) {
    const classify = (error: UpstreamError) =>
      classifyErrorEvent(error, rateLimitMs(planned), context.runtime.now())
    const isAccountFault = (error: UpstreamError) => classify(error) !== undefined
    const stream = await openStream(response.body, usage, { onEvent, isAccountFault })
    if (stream) return { kind: 'stream', ...head, stream, usage, abort: () => {} }
    const error = usage.failure()
    const failure = (error && classify(error)) ?? accountFailure('overloaded')
    return { kind: 'failure', failure, status }
  }
  const body = await readMessage(response, isSuccess ? maxAnswerBytes : maxRefusalBytes)
  const text = new TextDecoder().decode(body)
  if (isSuccess && body && usage.answer(parseJson(text))) {
    return { kind: 'answer', ...head, body, usage }
  }
  const answer = { status, headers: response.headers, body: text }
  const failure = classifyAnswer(answer, rateLimitMs(planned), context.runtime.now())
  if (failure) return { kind: 'failure', failure, status }
  const isReadable = parseJson(text) !== undefined
  // An error that calls itself a success would be taken for an answer.
  const shown = isSuccess ? 400 : status
  return { kind: 'refusal', status: shown, headers, body: isReadable ? body : undefined }
}

const rateLimitMs = ({ account }: PlannedAccount) => account.rateLimitDuration * 60_000
