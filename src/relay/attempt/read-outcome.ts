/** Reads a response until its outcome is known: an answer, a refusal of the request, or a failure. */
import type { UsageReader } from '../../dialects/dialect.ts'
import { downstreamHeaders } from '../../dialects/headers.ts'
import { accountFailure } from '../../domain/cooldowns.ts'
import type { UpstreamError } from '../../domain/upstream-error.ts'
import { parseJson } from '../../json.ts'
import { readWhole } from '../request/body.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import { isEventStream, openStream } from '../stream/gate.ts'
import type { AttemptContext, Outcome, Refusal } from './outcome.ts'

const maxRefusalBytes = 1024 * 1024
const maxAnswerBytes = 64 * 1024 * 1024

/** A response of one account, and what is needed to read it. */
interface Reading {
  planned: PlannedAccount
  response: Response
  /** The response's headers as they come back to the client. */
  headers: Headers
  usage: UsageReader
  rateLimitMs: number
  now: () => number
}

/**
 * Reads `response` until its outcome is known: a JSON body whole, a stream to its first content.
 * @param onEvent is called for each event before that.
 * @throws what reading the body throws.
 */
export async function readOutcome(
  context: AttemptContext,
  planned: PlannedAccount,
  response: Response,
  usage: UsageReader,
  onEvent: () => void,
): Promise<Outcome> {
  const { dialect, client, runtime } = context
  const isModelRenamed = planned.upstreamModel !== client.hints.model
  const headers = downstreamHeaders(response.headers, dialect.headerRules, isModelRenamed)
  const rateLimitMs = planned.account.rateLimitDuration * 60_000
  const reading = { planned, response, headers, usage, rateLimitMs, now: runtime.now }
  const { body } = response
  if (isSuccess(response) && isEventStream(response) && body) {
    return readStream(reading, body, onEvent)
  }
  return readJson(reading)
}

const isSuccess = ({ status }: Response) => status >= 200 && status <= 299

async function readStream(
  { planned, response, headers, usage, rateLimitMs, now }: Reading,
  body: ReadableStream<Uint8Array>,
  onEvent: () => void,
): Promise<Outcome> {
  const { status } = response
  const classify = (error: UpstreamError) =>
    planned.platform.classifyErrorEvent(error, rateLimitMs, now())
  const isAccountFault = (error: UpstreamError) => classify(error) !== undefined
  const stream = await openStream(body, usage, { onEvent, isAccountFault })
  if (stream) return { kind: 'stream', status, headers, stream, usage, abort: () => {} }
  const error = usage.failure()
  const failure = (error && classify(error)) ?? accountFailure('overloaded')
  return { kind: 'failure', failure, status }
}

async function readJson({
  planned,
  response,
  headers,
  usage,
  rateLimitMs,
  now,
}: Reading): Promise<Outcome> {
  const { status } = response
  const body = await readWhole(
    response.body,
    isSuccess(response) ? maxAnswerBytes : maxRefusalBytes,
  )
  const text = new TextDecoder().decode(body)
  const json = parseJson(text)
  if (isSuccess(response) && body && usage.answer(json)) {
    return { kind: 'answer', status, headers, body, usage }
  }
  const answer = { status, headers: response.headers, body: text }
  const failure = planned.platform.classifyAnswer(answer, rateLimitMs, now())
  // Clients would take an error with a status of success for an answer.
  const shownStatus = isSuccess(response) ? 400 : status
  const shown = json === undefined ? undefined : body
  const refusal: Refusal = { kind: 'refusal', status: shownStatus, headers, body: shown }
  if (!failure) return refusal
  const isShowable = failure.reason === 'unsupported_by_account' && isOfRequest(status)
  return { kind: 'failure', failure, status, ...(isShowable && { refusal }) }
}

/** Statuses that say nothing of the credential, which is not the caller's. */
const isOfRequest = (status: number) =>
  status >= 400 && status < 500 && ![401, 402, 403].includes(status)
