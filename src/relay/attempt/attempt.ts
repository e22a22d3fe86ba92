/** One attempt: sends the request to one account and waits until its outcome is known. */

import type { FailureReason } from '../../domain/account-failure.ts'
import { accountFailure } from '../../domain/cooldowns.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import { judge } from './judge.ts'
import type { AttemptContext, Outcome } from './outcome.ts'
import { upstreamRequest } from './upstream-request.ts'
import { createWatchdog } from './watchdog.ts'

/** Sends the request to `planned` and waits until its outcome is known. Never throws. */
export async function attempt(context: AttemptContext, planned: PlannedAccount): Promise<Outcome> {
  const { runtime, protocol, client } = context
  const { signal } = client
  if (signal.aborted) return { kind: 'unsent' }
  const request = readable(context, planned)
  if (!request) return failed('credential_unreadable')

  const upstream = new AbortController()
  const abort = () => upstream.abort()
  signal.addEventListener('abort', abort, { once: true })
  const usage = protocol.createUsageReader(client.body.length)
  const time = createPatience(context, abort)
  let status: number | null = null
  let isLeftUnread = true
  try {
    const init = { ...request.init, signal: upstream.signal }
    const response = await runtime.fetch(request.url, init)
    status = response.status
    const outcome = await judge(context, planned, response, usage, time.onEvent)
    isLeftUnread = outcome.kind === 'failure' || (outcome.kind === 'refusal' && !outcome.body)
    return outcome.kind === 'stream' ? { ...outcome, abort } : outcome
  } catch (error) {
    if (signal.aborted) return { kind: 'abandoned', usage }
    if (!time.isOver()) return failed(connectionReason(error), status)
    if (!client.hints.stream && runtime.now() >= context.deadlineMs) {
      return { kind: 'timed_out', usage }
    }
    // Silence before any header says less about the account than silence after it has accepted.
    return failed(status !== null && client.hints.stream ? 'overloaded' : 'timeout', status)
  } finally {
    time.stop()
    signal.removeEventListener('abort', abort)
    // What was left unread, such as a refusal too long to show, must not keep its connection.
    if (isLeftUnread) abort()
  }
}

const failed = (reason: FailureReason, status: number | null = null): Outcome => ({
  kind: 'failure',
  failure: accountFailure(reason),
  status,
})

/** The proxy layer names its errors; whatever else breaks a connection is the upstream's. */
function connectionReason(error: unknown): FailureReason {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^ERR_(PRIVATE_)?PROXY/.test(code) ? 'proxy_failed' : 'connect_failed'
}

function readable({ runtime, ...context }: AttemptContext, planned: PlannedAccount) {
  try {
    return upstreamRequest(context, planned)
  } catch (error) {
    const { id: accountId } = planned.account
    runtime.log.error('credential_unreadable', { accountId, reason: String(error) })
    return undefined
  }
}

/** How long one attempt may take: until its first byte, then from event to event, and never for ever. */
function createPatience({ runtime, client, deadlineMs }: AttemptContext, abort: () => void) {
  const { config, now } = runtime
  const leftMs = () => Math.max(1, deadlineMs - now())
  const firstSeconds = client.hints.stream
    ? config.UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS
    : config.UPSTREAM_JSON_TIMEOUT_SECONDS
  const idleMs = config.UPSTREAM_IDLE_TIMEOUT_SECONDS * 1000
  let isOver = false
  const watchdog = createWatchdog(now, Math.min(firstSeconds * 1000, leftMs()), () => {
    isOver = true
    abort()
  })
  return {
    /** An event before the answer buys time. */
    onEvent: () => watchdog.touch(Math.min(idleMs, leftMs())),
    isOver: () => isOver,
    stop: watchdog.stop,
  }
}
