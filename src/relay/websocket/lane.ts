/** A lane: one response of a socket, from its admission to its settlement. */
import type { UsageReader } from '../../dialects/dialect.ts'
import { accountFailure } from '../../domain/cooldowns.ts'
import { noUsage } from '../../domain/usage.ts'
import type { Gateway } from '../../gateway.ts'
import { HeaderList } from '../../http-message.ts'
import { createWatchdog } from '../attempt/watchdog.ts'
import { renewLease } from '../lease.ts'
import { issuedAffinities } from '../request/session.ts'
import type { Admission } from '../scheduling/admission.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import { type Ending, settleFinal, settleVoid } from '../settlement/settle.ts'

export interface Lane {
  /** The upstream has said something, be it of another response: it is not silent. */
  heard(): void
  /** Reads one message of the upstream; true when it has ended the response. */
  read(text: string): boolean
  /** The client has gone, or (`upstream_truncated`) the upstream; the second call changes nothing. */
  end(how: 'client_aborted' | 'upstream_truncated'): void
  /** It was never sent: nothing is charged. */
  drop(): void
  /** Resolves when it has ended. */
  ended: Promise<void>
}

interface LaneOptions {
  admission: Admission
  planned: PlannedAccount
  usage: UsageReader
  /** It only prepares the cache: usage that is not reported is none. */
  isPrewarm: boolean
  /** Called when the upstream has said nothing for as long as it may; it should end the response. */
  onSilent: () => void
}

/** Starts to follow an admitted response; it is settled exactly once, however it ends. */
export function startLane(gateway: Gateway, options: LaneOptions): Lane {
  const { admission, planned, usage, isPrewarm, onSilent } = options
  const { runtime } = gateway
  const { plan, trace, accountId } = admission
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const renewal = renewLease(gateway, plan)
  // As long as a JSON answer: the pings by which an upstream says that it still works are not seen here.
  const silenceMs = runtime.config.UPSTREAM_JSON_TIMEOUT_SECONDS * 1000
  const watchdog = createWatchdog(runtime, silenceMs, onSilent)
  const startedMs = runtime.monotonicMs()
  let hasContent = false
  let isOver = false

  const settle = (how: 'complete' | 'client_aborted' | 'upstream_truncated') => {
    if (isOver) return
    isOver = true
    renewal.clear()
    watchdog.stop()
    trace.attempts.push({
      accountId,
      model: planned.upstreamModel,
      afterMs: startedMs - trace.receivedMonotonicMs,
      tookMs: runtime.monotonicMs() - startedMs,
      outcome: 'stream',
      status: 101,
    })
    const verdict = verdictOf(how)
    const total = usage.total()
    const isNothing = !hasContent && total.estimated
    if (isNothing && how === 'upstream_truncated') {
      settleVoid(gateway, plan, {
        how: 'failed',
        verdict,
        trace,
        accountId,
        family: planned.family,
      })
    } else {
      const isUnreported = isPrewarm && total.estimated
      settleFinal(gateway, admission, {
        how,
        ...(isUnreported ? { usage: noUsage, estimated: false } : total),
        isServed: true,
        planned,
        verdict,
        issuedAffinities: issuedAffinities(noHeaders, usage.issuedIds?.() ?? []),
      })
    }
    resolve()
  }

  const verdictOf = (how: string): Ending['verdict'] => {
    if (how === 'complete') return 'success'
    if (how === 'client_aborted') return undefined
    const error = usage.failure()
    if (!error) return accountFailure('connect_failed')
    const rateLimitMs = planned.account.rateLimitDuration * 60_000
    return planned.platform.classifyErrorEvent(error, rateLimitMs, runtime.now()) ?? 'success'
  }

  return {
    heard() {
      if (!isOver) watchdog.touch(silenceMs)
    },
    read(text) {
      if (isOver) return true
      const kind = usage.event({ event: undefined, data: text, id: undefined })
      hasContent ||= kind === 'content'
      const state = usage.state()
      if (state !== 'open') settle(state === 'complete' ? 'complete' : 'upstream_truncated')
      return isOver
    },
    end: settle,
    drop() {
      if (isOver) return
      isOver = true
      renewal.clear()
      watchdog.stop()
      const { family } = planned
      const ending = {
        how: 'client_aborted',
        verdict: undefined,
        trace,
        accountId,
        family,
      } as const
      settleVoid(gateway, plan, ending)
      resolve()
    },
    ended,
  }
}

/** Messages have none. */
const noHeaders = new HeaderList()
