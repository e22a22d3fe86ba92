/** Respond: turns an exchange into the caller's response, and settles when that has ended. */
import { accountFailure } from '../domain/cooldowns.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { HeaderReader, RelayAnswer } from '../http-message.ts'
import { recoverScript } from '../store/scripts/recover.ts'
import { classifySafely } from './attempt/classify-safely.ts'
import type { Outcome } from './attempt/outcome.ts'
import { redactFor } from './attempt/vendor-words.ts'
import { createWatchdog } from './attempt/watchdog.ts'
import type { Exchange } from './dispatch.ts'
import { renewLease } from './lease.ts'
import { type ClientRequest, clientClosed } from './request/client-request.ts'
import { issuedAffinities } from './request/session.ts'
import { tellHealthChanges } from './scheduling/health-events.ts'
import { noteFailure } from './settlement/last-failure.ts'
import {
  type Ending,
  type SettledPart,
  settledPart,
  settleFinal,
  settleVoid,
  type VoidEnding,
} from './settlement/settle.ts'
import { showLimits } from './show-limits.ts'
import { meter, type StreamEnd } from './stream/meter.ts'
import { rewriteEvents } from './stream/rewrite-events.ts'

/** @throws GatewayError for a refusal that has no shape a client could read. */
export function respond(gateway: Gateway, client: ClientRequest, exchange: Exchange): RelayAnswer {
  const { outcome, admission } = exchange
  const { plan } = admission
  if ('headers' in outcome) outcome.headers.set('x-request-id', plan.requestId)
  switch (outcome.kind) {
    case 'answer':
      showLimits(gateway, admission, outcome.headers)
      settle(gateway, exchange, outcome, { how: 'complete', verdict: 'success' })
      return { status: outcome.status, headers: outcome.headers, body: outcome.body }
    case 'stream':
      showLimits(gateway, admission, outcome.headers)
      if (admission.isProbe) recover(gateway, exchange)
      return streamResponse(gateway, client, exchange, outcome)
    case 'refusal':
      refuse(gateway, exchange)
      if (outcome.body === undefined) throw unreadableRefusal(outcome.status)
      return { status: outcome.status, headers: outcome.headers, body: outcome.body }
    case 'timed_out': {
      const verdict = accountFailure('timeout')
      settle(gateway, exchange, outcome, { how: 'timed_out', verdict })
      throw new GatewayError('upstream_timeout', 'The upstream took too long to answer')
    }
    case 'abandoned':
      settle(gateway, exchange, outcome, { how: 'client_aborted', verdict: undefined })
      throw clientClosed()
    case 'unsent':
      release(gateway, exchange, { how: 'client_aborted', verdict: undefined })
      throw clientClosed()
  }
}

/** What is left to do of an exchange: its settlement. */
type Served = Omit<Exchange, 'admission'> & { admission: SettledPart }

type StreamOutcome = Extract<Outcome, { kind: 'stream' }>

function streamResponse(
  gateway: Gateway,
  client: ClientRequest,
  exchange: Exchange,
  outcome: StreamOutcome,
): RelayAnswer {
  const { runtime } = gateway
  const { plan } = exchange.admission
  // What a stream keeps for as long as it is open: no candidates, and no headers of the client.
  const served = { ...exchange, admission: settledPart(exchange.admission) }
  const { dialect, requestId } = plan
  const { signal } = client
  const idleTimeoutMs = runtime.config.UPSTREAM_IDLE_TIMEOUT_SECONDS * 1000
  const { status, headers, stream, usage, abort } = outcome
  headers.set('cache-control', 'no-cache')
  headers.set('x-accel-buffering', 'no')
  const renewal = renewLease(gateway, plan)
  const body = meter({
    stream,
    usage,
    cutEvent: () => {
      const { reason } = signal
      const error = reason instanceof GatewayError ? reason : brokenOff
      return dialect.errorEvent(error, requestId)
    },
    abort,
    clientSignal: signal,
    watchdog: (timeoutMs, onTimeout) => createWatchdog(runtime, timeoutMs, onTimeout),
    idleTimeoutMs,
    clock: runtime,
    gatherMs: runtime.gatherMs ?? 0,
    keepAliveMs: runtime.config.STREAM_KEEPALIVE_SECONDS * 1000,
    onEnd: (how) => {
      renewal.clear()
      if (stream.isRefusal) return refuse(gateway, served)
      settle(gateway, served, outcome, { how, verdict: verdictOf(gateway, served, how) })
    },
  })
  const { adaptation } = client
  const shown = adaptation ? body.pipeThrough(rewriteEvents(adaptation.showEvents)) : body
  return { status, headers, body: shown }
}

const brokenOff = new GatewayError('upstream_failed', 'The upstream broke off its answer')

/** What the end of a stream says of its account; an error that it names itself says it best. */
function verdictOf(
  gateway: Gateway,
  { outcome, planned }: Served,
  how: StreamEnd,
): Ending['verdict'] {
  if (how !== 'upstream_truncated') return 'success'
  if (outcome.kind !== 'stream') return 'success'
  const { status, usage } = outcome
  const error = usage.failure()
  if (!error) return accountFailure('connect_failed')
  const rateLimitMs = planned.account.rateLimitDuration * 60_000
  const { runtime } = gateway
  const { account } = planned
  const failure = classifySafely(runtime, planned, (platform) =>
    platform.classifyErrorEvent(error, rateLimitMs, runtime.now()),
  )
  if (!failure) return 'success'
  const said = redactFor(account, gateway.openSecrets, error.message)
  noteFailure(gateway, account.id, { failure, status, said })
  return failure
}

/** A probe that streams may go on for long: its account has recovered now. */
function recover({ runtime, keyspace }: Gateway, { admission, planned }: Exchange): void {
  const { plan, generation } = admission
  const { ledgerId, poolId } = plan
  const input = { ledgerId, poolId, generation, family: planned.family }
  // Its settlement says the same again.
  const recovered = recoverScript(runtime.redis, keyspace, input)
    .then(({ healthChanges }) => tellHealthChanges(runtime, poolId, healthChanges))
    .catch(() => {})
  runtime.defer(recovered)
}

type Billed = Pick<StreamOutcome, 'usage'> & { kind: Outcome['kind']; headers?: HeaderReader }

function settle(
  gateway: Gateway,
  { admission, planned }: Served,
  { kind, usage, headers }: Billed,
  ending: Pick<Ending, 'how' | 'verdict'>,
): void {
  settleFinal(gateway, admission, {
    ...ending,
    ...usage.total(),
    isServed: kind === 'answer' || kind === 'stream',
    planned,
    issuedAffinities: headers ? issuedAffinities(headers, usage.issuedIds?.() ?? []) : [],
  })
}

/** The caller's request was at fault: nothing is charged, and the account is healthy. */
const refuse = (gateway: Gateway, served: Served) =>
  release(gateway, served, { how: 'refused', verdict: 'success' })

function release(
  gateway: Gateway,
  { admission, planned }: Served,
  ending: Pick<VoidEnding, 'how' | 'verdict'>,
): void {
  const { plan, accountId, trace } = admission
  settleVoid(gateway, plan, { ...ending, trace, accountId, family: planned.family })
}

/** A refusal that is not JSON would confuse every client: say the same in the gateway's words. */
export function unreadableRefusal(status: number): GatewayError {
  const code = status === 404 ? 'not_found' : status === 413 ? 'body_too_large' : 'invalid_request'
  return new GatewayError(code, `The upstream refused the request with status ${status}`)
}
