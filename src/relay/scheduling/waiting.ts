/** Waiting: a request for which no account is available stays a little, for a cooldown that ends soon. */
import { sleep } from '../../clock.ts'
import type { Gateway } from '../../gateway.ts'
import type { NoneReply } from '../../store/scripts/admit.ts'

/** An account that is at capacity or being tried may be free at any time: ask again, ever less often. */
const firstPollMs = 100
const pollGrowth = 1.5
const longestPollMs = 1_000

/** Spreads those who wait together: each place takes its own part, between half and all, of a pause. */
const spread = (ms: number, place: number) => ms * (0.5 + ((place * 0.618) % 1) / 2)

/**
 * What comes after a pause:
 * - `retry`: it is worth asking the store again
 * - `too_late`: no account will be available in time; there was no pause
 * - `client_gone`: the client does not wait any more
 */
export type AfterPause = 'retry' | 'too_late' | 'client_gone'

export interface Waiting {
  /** @param none why no account is available, as the store has just answered. */
  pause(
    none: Pick<NoneReply, 'soonestMs' | 'nowMs' | 'atCapacity' | 'probing'>,
  ): Promise<AfterPause>
}

/** The patience of one request: `waitMs` from its first pause, until its client has gone. */
export function createWaiting(
  { runtime, waitingRequests }: Gateway,
  keyId: string,
  signal: AbortSignal,
  waitMs = runtime.config.ACCOUNT_WAIT_SECONDS * 1000,
): Waiting {
  let endsMonotonicMs: number | undefined
  let pollMs = firstPollMs
  return {
    async pause({ soonestMs, nowMs, atCapacity, probing }) {
      if (signal.aborted) return 'client_gone'
      const startedMonotonicMs = runtime.monotonicMs()
      endsMonotonicMs ??= startedMonotonicMs + waitMs
      const place = waitingRequests.enter(keyId)
      if (!place) return 'too_late'
      try {
        // Both are of the store's clock; ends of quotas are of the wall clock here.
        const cooldownMs = soonestMs > 0 ? Math.max(soonestMs - nowMs, firstPollMs) : Infinity
        const isPolling = atCapacity + probing > 0
        const pauseMs = isPolling ? Math.min(spread(pollMs, place.number), cooldownMs) : cooldownMs
        if (startedMonotonicMs + pauseMs >= endsMonotonicMs) return 'too_late'
        pollMs = Math.min(pollGrowth * pollMs, longestPollMs)
        await sleep(runtime, pauseMs, signal)
        return signal.aborted ? 'client_gone' : 'retry'
      } finally {
        place.leave()
      }
    },
  }
}
