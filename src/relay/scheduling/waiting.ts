/** Waiting: a request for which nobody is free stays a little, for a rest that ends soon. */
import type { Runtime } from '../../runtime.ts'
import type { NoneReply } from '../../store/scripts/admit.ts'

/** What is full or being tried may be free at any time: ask again, ever less often. */
const firstPollMs = 100
const pollGrowth = 1.5
const longestPollMs = 1_000

/** Spreads those who wait together: each takes its own part, between half and all, of a pause. */
let spread = 0
function part(ms: number): number {
  spread = (spread + 0.618) % 1
  return ms * (0.5 + spread / 2)
}

export interface Waiting {
  /** Resolves to true when it is worth to ask again, to false at once when that would be too late. */
  pause(busy: Pick<NoneReply, 'soonestMs' | 'nowMs' | 'atCapacity' | 'probing'>): Promise<boolean>
  /** Whether the client has gone, so that nobody waits any more. */
  isOver(): boolean
}

/** Requests of one key that may wait here at a time: no limit of the key counts them. */
const maxWaitingPerKey = 100
const waitingByKey = new Map<string, number>()

/** The patience of one request, `ACCOUNT_WAIT_SECONDS` from its first pause; a client that leaves ends it. */
export function createWaiting(
  { now, config }: Runtime,
  keyId: string,
  signal: AbortSignal,
): Waiting {
  let endsAtMs: number | undefined
  let pollMs = firstPollMs
  return {
    isOver: () => signal.aborted,
    async pause({ soonestMs, nowMs, atCapacity, probing }) {
      if (signal.aborted) return true
      endsAtMs ??= now() + config.ACCOUNT_WAIT_SECONDS * 1000
      // Ends of quotas are of this clock, and `nowMs` is the store's.
      const restMs = soonestMs > 0 ? Math.max(soonestMs - nowMs, firstPollMs) : Infinity
      const pauseMs = atCapacity + probing > 0 ? Math.min(part(pollMs), restMs) : restMs
      if (now() + pauseMs >= endsAtMs) return false
      pollMs = Math.min(pollGrowth * pollMs, longestPollMs)
      const others = waitingByKey.get(keyId) ?? 0
      if (others >= maxWaitingPerKey) return false
      waitingByKey.set(keyId, others + 1)
      await sleep(pauseMs, signal)
      const left = (waitingByKey.get(keyId) ?? 1) - 1
      if (left > 0) waitingByKey.set(keyId, left)
      else waitingByKey.delete(keyId)
      return true
    },
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
}
