/** One attempt: sends the request to one account and waits until its outcome is known. */

import type { FailureReason } from '../../domain/account-failure.ts'
import { accountFailure } from '../../domain/cooldowns.ts'
import type { PreparedRequest } from '../../platforms/prepare-request.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import { hideSecrets } from './hide-credential.ts'
import type { AttemptContext, Outcome } from './outcome.ts'
import { readOutcome } from './read-outcome.ts'
import { upstreamRequest } from './upstream-request.ts'
import { createWatchdog } from './watchdog.ts'

/** Sends the request to the account and waits until its outcome is known. Never throws. */
export async function attempt(
  context: AttemptContext,
  asPlanned: PlannedAccount,
): Promise<Outcome> {
  const planned = { ...asPlanned, account: context.currentAccount(asPlanned.account) }
  const { signal } = context.client
  if (signal.aborted) return { kind: 'unsent' }
  const upstream = new AbortController()
  const abort = () => upstream.abort()
  signal.addEventListener('abort', abort, { once: true })
  const time = createPatience(context, abort)
  let isLeftUnread = true
  try {
    const request = await prepared(context, planned, upstream.signal, time)
    const outcome = 'kind' in request ? request : await send(context, planned, request, time)
    isLeftUnread = !hasBody(outcome)
    return outcome.kind === 'stream' ? { ...outcome, abort } : outcome
  } finally {
    time.stop()
    signal.removeEventListener('abort', abort)
    // A body that is not read to its end, such as a refusal that is too long, must not keep its connection.
    if (isLeftUnread) abort()
  }
}

const hasBody = (outcome: Outcome) =>
  'body' in outcome ? outcome.body !== undefined : outcome.kind === 'stream'

/** The request to the account, or the outcome when there is none to send. */
async function prepared(
  context: AttemptContext,
  planned: PlannedAccount,
  signal: AbortSignal,
  time: Patience,
): Promise<PreparedRequest | Outcome> {
  const { runtime, client } = context
  try {
    const request = await upstreamRequest(context, planned, signal)
    return client.signal.aborted ? { kind: 'unsent' } : request
  } catch (error) {
    if (client.signal.aborted) return { kind: 'unsent' }
    if (time.isOver()) return failed('timeout')
    const { id: accountId } = planned.account
    runtime.observe({ type: 'credential_unreadable', accountId, error })
    return failed('credential_unreadable')
  }
}

async function send(
  context: AttemptContext,
  planned: PlannedAccount,
  { url, init }: PreparedRequest,
  time: Patience,
): Promise<Outcome> {
  const { runtime, dialect, client, deadlineMonotonicMs } = context
  const usage = dialect.createUsageReader(client.body.length, client.hints.maxTokens)
  const failedWith = (...why: Parameters<typeof failed>) => ({ ...failed(...why), usage })
  let status: number | null = null
  try {
    const response = await runtime.fetch(url, init)
    status = response.status
    context.onHeaders?.(planned.account, response.headers)
    const outcome = await readOutcome(context, planned, response, usage, time.onBytes)
    const shown = hideSecrets(outcome, planned.account, context.openSecrets(planned.account))
    return shown.kind === 'failure' ? { ...shown, usage } : shown
  } catch (error) {
    if (client.signal.aborted) return { kind: 'abandoned', usage }
    if (!time.isOver()) return failedWith(connectionReason(error), status)
    if (!client.hints.stream && runtime.monotonicMs() >= deadlineMonotonicMs) {
      return { kind: 'timed_out', usage }
    }
    // Silence before any header says less about the account than silence after it has accepted.
    return failedWith(status !== null && client.hints.stream ? 'overloaded' : 'timeout', status)
  }
}

const failed = (reason: FailureReason, status: number | null = null): Outcome => ({
  kind: 'failure',
  failure: accountFailure(reason),
  status,
})

/** Errors of the proxy have codes of their own; every other broken connection is the upstream's. */
function connectionReason(error: unknown): FailureReason {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^ERR_(PRIVATE_)?PROXY/.test(code) ? 'proxy_failed' : 'connect_failed'
}

type Patience = ReturnType<typeof createPatience>

/** How long one attempt may take: to its first byte, then from part to part, up to the deadline. */
function createPatience(
  { runtime, client, deadlineMonotonicMs }: AttemptContext,
  abort: () => void,
) {
  const { config } = runtime
  const leftMs = () => Math.max(1, deadlineMonotonicMs - runtime.monotonicMs())
  const firstSeconds = client.hints.stream
    ? config.UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS
    : config.UPSTREAM_JSON_TIMEOUT_SECONDS
  const idleMs = config.UPSTREAM_IDLE_TIMEOUT_SECONDS * 1000
  let isOver = false
  const watchdog = createWatchdog(runtime, Math.min(firstSeconds * 1000, leftMs()), () => {
    isOver = true
    abort()
  })
  return {
    /** Each part of the body before the answer begins allows more time, be it only a comment. */
    onBytes: () => watchdog.touch(Math.min(idleMs, leftMs())),
    isOver: () => isOver,
    stop: watchdog.stop,
  }
}
