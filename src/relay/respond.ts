/** Respond: turns an exchange into the caller's response, and settles when that has ended. */
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { renewScript } from '../store/scripts/renew.ts'
import type { ClientRequest, Outcome } from './attempt.ts'
import type { Exchange } from './dispatch.ts'
import { accountFailure } from './failure.ts'
import { meter, type StreamEnd } from './meter.ts'
import { type Ending, settleFinal, settleVoid } from './settle.ts'
import { createWatchdog } from './watchdog.ts'

/** @throws GatewayError for a refusal that has no shape a client could read. */
export function respond(gateway: Gateway, client: ClientRequest, exchange: Exchange): Response {
  const { outcome, admission } = exchange
  const { accountId, plan } = admission
  if ('headers' in outcome) outcome.headers.set('x-request-id', plan.requestId)
  switch (outcome.kind) {
    case 'answer':
      settle(gateway, exchange, outcome.usage.total(), 'success')
      return new Response(outcome.body, outcome)
    case 'stream':
      return streamResponse(gateway, client, exchange, outcome)
    case 'refusal':
      settleVoid(gateway, plan, { accountId, verdict: 'success' })
      if (outcome.body === undefined) throw unreadableRefusal(outcome.status)
      return new Response(outcome.body, outcome)
    case 'overdue':
      settle(gateway, exchange, outcome.usage.total(), accountFailure('timeout'))
      throw new GatewayError('upstream_timeout', 'The upstream took too long to answer')
    case 'abandoned':
      settle(gateway, exchange, outcome.usage.total(), undefined)
      throw clientClosed()
    case 'unsent':
      settleVoid(gateway, plan)
      throw clientClosed()
  }
}

function streamResponse(
  gateway: Gateway,
  client: ClientRequest,
  exchange: Exchange,
  outcome: Extract<Outcome, { kind: 'stream' }>,
): Response {
  const { runtime } = gateway
  const { plan } = exchange.admission
  const idleTimeoutMs = runtime.config.UPSTREAM_IDLE_TIMEOUT_SECONDS * 1000
  const { status, headers, stream, usage, abort } = outcome
  headers.set('cache-control', 'no-cache')
  headers.set('x-accel-buffering', 'no')
  const body = meter({
    stream,
    usage,
    cutEvent: plan.protocol.errorEvent(brokenOff, plan.requestId),
    abort,
    clientSignal: client.signal,
    watchdog: (timeoutMs, onTimeout) => createWatchdog(runtime.now, timeoutMs, onTimeout),
    idleTimeoutMs,
    onProgress: leaseRenewal(gateway, exchange),
    onEnd: (end) => settle(gateway, exchange, usage.total(), verdicts[end]),
  })
  return new Response(body, { status, headers })
}

const brokenOff = new GatewayError('upstream_failed', 'The upstream broke off its answer')

const verdicts: Record<StreamEnd, Ending['verdict']> = {
  complete: 'success',
  cut: accountFailure('connect_failed'),
  left: 'success',
}

/** Renews the lease when progress is seen in its second half, so that no timer has to live. */
function leaseRenewal(gateway: Gateway, { admission }: Exchange): () => void {
  const { runtime, keyspace } = gateway
  const leaseMs = runtime.config.LEASE_SECONDS * 1000
  const { plan, generation } = admission
  let dueMs = admission.expiresAtMs - leaseMs / 2
  return () => {
    if (runtime.now() < dueMs) return
    dueMs = runtime.now() + leaseMs / 2
    const input = {
      ledgerId: plan.ledgerId,
      platform: plan.protocol.platform,
      keyId: plan.apiKey.id,
      generation,
      leaseMs,
    }
    // A renewal that fails costs nothing now: the settlement replaces the orphan that may follow.
    runtime.defer(renewScript(runtime.redis, keyspace, input).catch(() => {}))
  }
}

function settle(
  gateway: Gateway,
  { admission, planned }: Exchange,
  total: Pick<Ending, 'usage' | 'estimated'>,
  verdict: Ending['verdict'],
): void {
  settleFinal(gateway, admission, { ...total, upstreamModel: planned.upstreamModel, verdict })
}

export const clientClosed = () =>
  new GatewayError('client_closed', 'The client closed the connection')

/** A refusal that is not JSON would confuse every client: say the same in the gateway's words. */
function unreadableRefusal(status: number): GatewayError {
  const code = status === 404 ? 'not_found' : status === 413 ? 'body_too_large' : 'invalid_request'
  return new GatewayError(code, `The upstream refused the request with status ${status}`)
}
