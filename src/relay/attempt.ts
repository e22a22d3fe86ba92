/** One attempt: sends the request to one account and judges what comes back. */
import type { Account } from '../catalog/account.ts'
import type { Sealer } from '../crypto.ts'
import { downstreamHeaders, upstreamHeaders } from '../protocol/headers.ts'
import type { Protocol, UsageReader } from '../protocol/protocol.ts'
import type { Runtime } from '../runtime.ts'
import type { AccountFailure } from '../store/scripts/reassign.ts'
import { readMessage } from './body.ts'
import { accountFailure, classifyAnswer, parseJson, refusesAccount } from './failure.ts'
import { type OpenStream, openStream } from './gate.ts'
import { type Hints, replaceModel } from './hints.ts'
import type { PlannedAccount } from './plan.ts'
import { createWatchdog, type Watchdog } from './watchdog.ts'

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

interface Head {
  status: number
  headers: Headers
}

export type Outcome =
  /** A complete JSON answer. */
  | (Head & { kind: 'answer'; body: Uint8Array<ArrayBuffer>; usage: UsageReader })
  /** A stream that has begun to answer; `abort` ends it upstream at once. */
  | (Head & { kind: 'stream'; stream: OpenStream; usage: UsageReader; abort: () => void })
  /** The upstream refuses the request itself; `body` is undefined when no client could read it. */
  | (Head & { kind: 'refusal'; body: Uint8Array<ArrayBuffer> | undefined })
  /** The account failed, and another may be tried. */
  | { kind: 'failure'; failure: AccountFailure }
  /** A JSON answer took too long. It was paid for, so no other account is asked for it again. */
  | { kind: 'overdue'; usage: UsageReader }
  /** The caller left before there was anything to show. */
  | { kind: 'abandoned'; usage: UsageReader }
  /** The caller left before anything was sent. */
  | { kind: 'unsent' }

const maxRefusalBytes = 1024 * 1024
const maxAnswerBytes = 64 * 1024 * 1024

export interface AttemptContext {
  runtime: Runtime
  sealer: Sealer
  protocol: Protocol
  client: ClientRequest
}

/** Sends the request to `planned` and waits until its outcome is known. Never throws. */
export async function attempt(context: AttemptContext, planned: PlannedAccount): Promise<Outcome> {
  const { runtime, protocol, client } = context
  const { signal, hints } = client
  if (signal.aborted) return { kind: 'unsent' }
  const request = buildRequest(context, planned)
  if (!request) return { kind: 'failure', failure: accountFailure('credential_unreadable') }

  const upstream = new AbortController()
  const abort = () => upstream.abort()
  signal.addEventListener('abort', abort, { once: true })
  const usage = protocol.createUsageReader(client.body.length)
  const { config } = runtime
  const patienceSeconds = hints.stream
    ? config.UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS
    : config.UPSTREAM_JSON_TIMEOUT_SECONDS
  let timedOut = false
  const watchdog = createWatchdog(runtime.now, patienceSeconds * 1000, () => {
    timedOut = true
    abort()
  })
  try {
    const init = { ...request.init, signal: upstream.signal }
    const response = await runtime.fetch(request.url, init)
    const outcome = await judge(context, planned, response, usage, watchdog)
    return outcome.kind === 'stream' ? { ...outcome, abort } : outcome
  } catch {
    if (signal.aborted) return { kind: 'abandoned', usage }
    if (timedOut && !hints.stream) return { kind: 'overdue', usage }
    return { kind: 'failure', failure: accountFailure(timedOut ? 'timeout' : 'connect_failed') }
  } finally {
    watchdog.stop()
    signal.removeEventListener('abort', abort)
  }
}

/** Credentials of the accounts in memory, opened once; they go when the catalog drops the record. */
const credentials = new WeakMap<Account, string>()

/** @throws SealError */
function credentialOf(account: Account, sealer: Sealer): string {
  const known = credentials.get(account)
  if (known !== undefined) return known
  const credential = sealer.unseal(account.sealedApiKey, account.id)
  credentials.set(account, credential)
  return credential
}

/** The request as this account wants it, or undefined when its credential cannot be read. */
function buildRequest(context: AttemptContext, planned: PlannedAccount) {
  const { runtime, sealer, protocol, client } = context
  const { account, upstreamModel } = planned
  const { hints } = client
  const headers = upstreamHeaders(client.headers, account.userAgent)
  try {
    protocol.authorize(headers, credentialOf(account, sealer))
  } catch (error) {
    runtime.log.error('credential_unreadable', { accountId: account.id, reason: String(error) })
    return undefined
  }
  const body =
    upstreamModel === hints.model ? client.body : replaceModel(client.body, hints, upstreamModel)
  return {
    url: protocol.endpoint(account.apiUrl) + client.search,
    init: { method: 'POST', headers, body, redirect: 'manual' as const },
  }
}

async function judge(
  context: AttemptContext,
  planned: PlannedAccount,
  response: Response,
  usage: UsageReader,
  watchdog: Watchdog,
): Promise<Outcome> {
  const { status } = response
  const headers = downstreamHeaders(response.headers)
  if (planned.upstreamModel !== context.client.hints.model) headers.delete('openai-model')
  if (status < 200 || status > 299) return judgeRefusal(context, planned, response, headers)
  const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream')
  if (isStream && response.body) {
    const stream = await openStream(response.body, usage, patience(context, watchdog))
    if (!stream) return { kind: 'failure', failure: accountFailure('overloaded') }
    return { kind: 'stream', status, headers, stream, usage, abort: () => {} }
  }
  const body = await readMessage(response, maxAnswerBytes)
  const text = new TextDecoder().decode(body)
  if (body && usage.answer(parseJson(text))) return { kind: 'answer', status, headers, body, usage }
  const reason = refusesAccount(text) ? 'account_refused' : 'bad_answer'
  return { kind: 'failure', failure: accountFailure(reason) }
}

async function judgeRefusal(
  { runtime }: AttemptContext,
  { account }: PlannedAccount,
  response: Response,
  headers: Headers,
): Promise<Outcome> {
  const { status } = response
  const body = await readMessage(response, maxRefusalBytes)
  const text = new TextDecoder().decode(body)
  const answer = { status, headers: response.headers, body: text }
  const failure = classifyAnswer(answer, account.rateLimitDuration * 60_000, runtime.now())
  if (failure) return { kind: 'failure', failure }
  const isReadable = parseJson(text) !== undefined
  return { kind: 'refusal', status, headers, body: isReadable ? body : undefined }
}

/** Each event before the answer buys time, but never more than a whole answer may take. */
function patience({ runtime }: AttemptContext, watchdog: Watchdog): () => void {
  const idleMs = runtime.config.UPSTREAM_IDLE_TIMEOUT_SECONDS * 1000
  const endsAtMs = runtime.now() + runtime.config.UPSTREAM_JSON_TIMEOUT_SECONDS * 1000
  return () => watchdog.touch(Math.min(idleMs, endsAtMs - runtime.now()))
}
