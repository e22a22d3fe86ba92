/** Reads a response until its outcome is known: an answer, a refusal of the request, or a failure. */
import { sleep } from '../../clock.ts'
import type { Dialect, UsageReader } from '../../dialects/dialect.ts'
import { downstreamHeaders } from '../../dialects/headers.ts'
import type { AccountFailure, FailureReason } from '../../domain/account-failure.ts'
import { accountFailure } from '../../domain/cooldowns.ts'
import type { UpstreamError } from '../../domain/upstream-error.ts'
import { endedReader, type HeaderFields, type HttpAnswer } from '../../http-message.ts'
import { parseJson } from '../../json.ts'
import type { Platform } from '../../platforms/platform.ts'
import { readWhole } from '../request/body.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import { type BegunStream, eventStreamType, isEventStream, openStream } from '../stream/gate.ts'
import { classifySafely } from './classify-safely.ts'
import { foldStream } from './fold-stream.ts'
import { lacksOperation } from './lacks-operation.ts'
import { maxParsedBytes, readLargeAnswer } from './large-answer.ts'
import type { AttemptContext, Outcome, Refusal } from './outcome.ts'
import { formOf, readRest, sniff } from './sniff.ts'
import { sentenceOf } from './vendor-words.ts'

/** A refusal is parsed whole, and more than once. */
const maxRefusalBytes = 256 * 1024
const maxAnswerBytes = 64 * 1024 * 1024
const encoder = new TextEncoder()

/** A response of one account, and what is needed to read it. */
interface Reading {
  dialect: Dialect
  /** Whether the client asked for a stream. */
  wantsStream: boolean
  planned: PlannedAccount
  response: HttpAnswer
  /** The response's headers as they come back to the client. */
  headers: HeaderFields
  usage: UsageReader
  /** Lets the account's platform judge. */
  judge: (
    classify: (platform: Platform) => AccountFailure | undefined,
  ) => AccountFailure | undefined
  classify: (error: UpstreamError) => AccountFailure | undefined
  onBytes: () => void
  rateLimitMs: number
  now: () => number
  /** Whether a refusal says that the account does not have the operation. */
  isLacking: (status: number, json: unknown) => boolean
  /** Lets other requests run while this one is read. */
  pause: () => Promise<void>
}

/**
 * Reads `response` until its outcome is known: a JSON body whole, a stream to its first content. What
 * it is, is told by its beginning; its label only decides where that says nothing.
 * @param onBytes is called for each part of the body before that.
 * @throws what reading the body throws.
 */
export async function readOutcome(
  context: AttemptContext,
  planned: PlannedAccount,
  response: HttpAnswer,
  usage: UsageReader,
  onBytes: () => void,
): Promise<Outcome> {
  const { dialect, client, runtime } = context
  const { now } = runtime
  const isModelRenamed = planned.upstreamModel !== client.hints.model
  const headers = downstreamHeaders(response.headers, dialect.headerRules, isModelRenamed)
  const rateLimitMs = planned.account.rateLimitDuration * 60_000
  const wantsStream = client.hints.stream
  const judge: Reading['judge'] = (classify) => classifySafely(runtime, planned, classify)
  const classify = (error: UpstreamError) =>
    judge((platform) => platform.classifyErrorEvent(error, rateLimitMs, now()))
  const answer = { dialect, wantsStream, planned, response, headers, usage }
  const isLacking: Reading['isLacking'] = (status, json) => {
    const isProven = context.isProven?.(planned.account) ?? false
    return lacksOperation({ operation: context.operation, status, isProven }, json)
  }
  const pause = () => sleep(runtime, 0, client.signal)
  const reading = { ...answer, judge, classify, onBytes, rateLimitMs, now, isLacking, pause }
  return isSuccess(response) ? readSuccess(reading) : readJson(reading, maxRefusalBytes)
}

const isSuccess = ({ status }: Pick<HttpAnswer, 'status'>) => status >= 200 && status <= 299

async function readSuccess(reading: Reading): Promise<Outcome> {
  const { response, wantsStream, onBytes } = reading
  const isLabelled = isEventStream(response)
  if (response.body instanceof Uint8Array) return readCollected(reading, response.body)
  if (!response.body || !(wantsStream || isLabelled)) return readJson(reading, maxAnswerBytes)
  const body = await sniff(response.body, onBytes)
  if (body.form === 'events' || (isLabelled && body.form === 'unknown')) {
    return wantsStream ? readStream(reading, body) : readFolded(reading, body)
  }
  return judgeWhole(reading, await readRest(body, maxAnswerBytes, onBytes))
}

/** The same for a body that is whole already. */
async function readCollected(reading: Reading, bytes: Uint8Array<ArrayBuffer>): Promise<Outcome> {
  const { response, wantsStream } = reading
  const form = formOf(bytes) ?? 'unknown'
  const isStream = form === 'events' || (form === 'unknown' && isEventStream(response))
  if (!isStream) return judgeWhole(reading, bytes)
  const body = { held: [bytes], rest: endedReader }
  return wantsStream ? readStream(reading, body) : readFolded(reading, body)
}

async function readStream(reading: Reading, body: BegunStream): Promise<Outcome> {
  const { response, headers, usage, classify, onBytes } = reading
  const { status } = response
  const isAccountFault = (error: UpstreamError) => classify(error) !== undefined
  const stream = await openStream(body, usage, { onBytes, isAccountFault })
  if (!isEventStream(response)) headers.set('content-type', eventStreamType)
  if (stream) return { kind: 'stream', status, headers, stream, usage, abort: () => {} }
  const error = usage.failure()
  const failure = (error && classify(error)) ?? accountFailure('overloaded')
  return { kind: 'failure', failure, status, said: error?.message ?? undefined }
}

/** A client that asked for JSON gets the message that the stream tells. */
async function readFolded(reading: Reading, body: BegunStream): Promise<Outcome> {
  const { dialect, response, headers, usage, classify, onBytes } = reading
  const { status } = response
  const fold = dialect.createFold?.()
  const folded = fold && (await foldStream(body, usage, fold, onBytes))
  headers.set('content-type', 'application/json')
  switch (folded?.kind) {
    case 'answer':
      return { kind: 'answer', status, headers, body: encoder.encode(folded.json), usage }
    case 'error': {
      const error = usage.failure() ?? {}
      const failure = classify(error)
      if (failure) return { kind: 'failure', failure, status, said: error.message ?? undefined }
      return { kind: 'refusal', status: 400, headers, body: encoder.encode(folded.data) }
    }
    case 'cut':
      return { kind: 'failure', failure: accountFailure('overloaded'), status }
    default:
      // The account is well: what it says has no form that this client could read.
      return {
        kind: 'failure',
        failure: { ...accountFailure('bad_answer'), scope: 'none' },
        status,
      }
  }
}

async function readJson(reading: Reading, limitBytes: number): Promise<Outcome> {
  const { response, wantsStream } = reading
  const body = await readWhole(response.body, limitBytes)
  const isStream = isSuccess(response) && !wantsStream && body && formOf(body) === 'events'
  if (!isStream) return judgeWhole(reading, body)
  return readFolded(reading, { held: [body], rest: endedReader })
}

/**
 * Only a success is longer than what is parsed at once.
 * @param body undefined when it was too long to hold.
 */
async function judgeWhole(
  reading: Reading,
  body: Uint8Array<ArrayBuffer> | undefined,
): Promise<Outcome> {
  if (!body || body.length <= maxParsedBytes) return judgeParsed(reading, body)
  const large = await readLargeAnswer(body, reading.pause)
  if (large && reading.usage.answer(large.members, large.unreadBytes))
    return answerOf(reading, body)
  return judgeParsed(reading, undefined)
}

function judgeParsed(reading: Reading, body: Uint8Array<ArrayBuffer> | undefined): Outcome {
  const { judge, response, headers, usage, rateLimitMs, now } = reading
  const { status } = response
  const text = new TextDecoder().decode(body)
  const json = parseJson(text)
  if (isSuccess(response) && body && usage.answer(json)) return answerOf(reading, body)
  const answer = { status, headers: response.headers, body: text }
  const isLacking = reading.isLacking(status, json)
  const failure = isLacking
    ? accountFailure('unsupported_by_account')
    : judge((platform) => platform.classifyAnswer(answer, rateLimitMs, now()))
  // Clients would take an error with a status of success for an answer.
  const shownStatus = isSuccess(response) ? 400 : status
  const shown = json === undefined ? undefined : body
  const refusal: Refusal = { kind: 'refusal', status: shownStatus, headers, body: shown }
  if (!failure) return refusal
  const isShowable = showable.has(failure.reason) && isOfRequest(status)
  if (isShowable && failure.untilMs > now()) {
    headers.set('retry-after', String(Math.max(1, Math.ceil((failure.untilMs - now()) / 1000))))
  }
  const said = sentenceOf(json)
  const shownRefusal = isShowable && { refusal }
  const lacking = isLacking && ({ lacksOperation: true } as const)
  return { kind: 'failure', failure, status, said, ...shownRefusal, ...lacking }
}

/** A whole answer in the form that the client asked for. */
function answerOf(
  { dialect, wantsStream, response, headers, usage }: Reading,
  body: Uint8Array<ArrayBuffer>,
): Outcome {
  const { status } = response
  const isShort = body.length <= maxParsedBytes
  const events = wantsStream && isShort ? dialect.unfold?.(body) : undefined
  if (events === undefined) {
    if (isEventStream(response)) headers.set('content-type', 'application/json')
    return { kind: 'answer', status, headers, body, usage }
  }
  headers.set('content-type', eventStreamType)
  headers.set('cache-control', 'no-cache')
  headers.set('x-accel-buffering', 'no')
  return { kind: 'answer', status, headers, body: encoder.encode(events), usage }
}

/** Failures that cool nothing down: if all accounts fail so, the request is at fault. */
const showable = new Set<FailureReason>(['unsupported_by_account', 'foreign_content'])

/** Statuses that say nothing of the credential, which is not the caller's. */
const isOfRequest = (status: number) =>
  status >= 400 && status < 500 && ![401, 402, 403].includes(status)
