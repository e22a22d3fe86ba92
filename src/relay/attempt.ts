/** One attempt: sends the request to one account and judges what comes back. */
import type { Sealer } from '../crypto.ts'
import { downstreamHeaders, upstreamHeaders } from '../protocol/headers.ts'
import type { Protocol, UsageReader } from '../protocol/protocol.ts'
import type { Runtime } from '../runtime.ts'
import type { AccountFailure } from '../store/scripts/reassign.ts'
import { accountFailure, classifyAnswer } from './failure.ts'
import { type OpenStream, openStream, readWhole } from './gate.ts'
import { type Hints, replaceModel } from './hints.ts'
import type { PlannedAccount } from './plan.ts'
import { createWatchdog } from './watchdog.ts'

/** The caller's request as it came, and the signal that says the caller has gone. */
export interface ClientRequest {
  requestId: string
  headers: Headers
  /** The query with its question mark, or empty. */
  search: string
  body: Uint8Array<ArrayBuffer>
  hints: Hints
  signal: AbortSignal
}

export type Outcome =
  /** A complete JSON answer. */
  | {
      kind: 'answer'
      status: number
      headers: Headers
      body: Uint8Array<ArrayBuffer>
      usage: UsageReader
    }
  /** A stream that has begun to answer. */
  | {
      kind: 'stream'
      status: number
      headers: Headers
      stream: OpenStream
      usage: UsageReader
      abort: () => void
    }
  /** The upstream refuses the request itself: shown as it is. */
  | { kind: 'refusal'; status: number; headers: Headers; body: Uint8Array<ArrayBuffer> }
  | { kind: 'failure'; failure: AccountFailure }
  /** The caller left before there was anything to show. */
  | { kind: 'abandoned'; usage: UsageReader }

const maxErrorBytes = 1024 * 1024

export interface AttemptContext {
  runtime: Runtime
  sealer: Sealer
  protocol: Protocol
  client: ClientRequest
}

/** Sends the request to `planned` and waits until its outcome is known. Never throws. */
export async function attempt(context: AttemptContext, planned: PlannedAccount): Promise<Outcome> {
  const { runtime, protocol, client } = context
  const upstream = new AbortController()
  const leave = () => upstream.abort()
  client.signal.addEventListener('abort', leave, { once: true })
  if (client.signal.aborted) leave()
  const usage = protocol.createUsageReader(client.body.length)
  const { config } = runtime
  const patienceSeconds = client.hints.stream
    ? config.UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS
    : config.UPSTREAM_JSON_TIMEOUT_SECONDS
  let timedOut = false
  const watchdog = createWatchdog(runtime.now, patienceSeconds * 1000, () => {
    timedOut = true
    upstream.abort()
  })
  try {
    const request = await buildRequest(context, planned, upstream.signal)
    if (!request) return { kind: 'failure', failure: accountFailure('credential_unreadable') }
    const response = await runtime.fetch(request.url, request.init)
    const outcome = await judge(context, planned, response, usage, () =>
      watchdog.touch(config.UPSTREAM_IDLE_TIMEOUT_SECONDS * 1000),
    )
    if (outcome.kind !== 'stream') return outcome
    return { ...outcome, abort: leave }
  } catch {
    if (client.signal.aborted) return { kind: 'abandoned', usage }
    return { kind: 'failure', failure: accountFailure(timedOut ? 'timeout' : 'connect_failed') }
  } finally {
    watchdog.stop()
    client.signal.removeEventListener('abort', leave)
  }
}

async function buildRequest(context: AttemptContext, planned: PlannedAccount, signal: AbortSignal) {
  const { runtime, sealer, protocol, client } = context
  const { account, upstreamModel } = planned
  let credential: string
  try {
    credential = await sealer.unseal(account.sealedApiKey, account.id)
  } catch (error) {
    runtime.log.error('credential_unreadable', { accountId: account.id, reason: String(error) })
    return undefined
  }
  const headers = upstreamHeaders(client.headers, account.userAgent)
  protocol.authorize(headers, credential)
  const { hints } = client
  const body =
    upstreamModel === hints.model ? client.body : replaceModel(client.body, hints, upstreamModel)
  return {
    url: protocol.endpoint(account.apiUrl) + client.search,
    init: { method: 'POST', headers, body, signal, redirect: 'manual' as const },
  }
}

async function judge(
  context: AttemptContext,
  planned: PlannedAccount,
  response: Response,
  usage: UsageReader,
  onChunk: () => void,
): Promise<Outcome> {
  const { runtime } = context
  const { status } = response
  const headers = downstreamHeaders(response.headers)
  if (planned.upstreamModel !== context.client.hints.model) headers.delete('openai-model')
  if (status < 200 || status > 299) {
    const body = await readWhole(response, maxErrorBytes)
    const text = new TextDecoder().decode(body)
    const rateLimitMs = planned.account.rateLimitDuration * 60_000
    const answer = { status, headers: response.headers, body: text }
    const failure = classifyAnswer(answer, rateLimitMs, runtime.now())
    return failure ? { kind: 'failure', failure } : { kind: 'refusal', status, headers, body }
  }
  const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream')
  if (isStream && response.body) {
    const stream = await openStream(response.body, usage, onChunk)
    if (!stream) return { kind: 'failure', failure: accountFailure('overloaded') }
    return { kind: 'stream', status, headers, stream, usage, abort: () => {} }
  }
  const body = await readWhole(response, runtime.config.BODY_LIMIT_BYTES)
  if (!usage.answer(parseJson(body))) {
    return { kind: 'failure', failure: accountFailure('bad_answer') }
  }
  return { kind: 'answer', status, headers, body, usage }
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body))
  } catch {
    return undefined
  }
}
