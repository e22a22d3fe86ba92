/** Sole retry: asks an account again that no other can stand in for, soon and a few times. */
import type { AccountFailure } from '../../domain/account-failure.ts'
import { isTransient } from '../../domain/cooldowns.ts'
import type { Gateway } from '../../gateway.ts'
import type { NoneReply } from '../../store/scripts/admit.ts'
import type { AttemptContext } from '../attempt/outcome.ts'
import type { PlannedAccount } from './candidates.ts'
import { type AfterPause, createWaiting } from './waiting.ts'

const maxRetries = 6
/** The end of a cooldown may be the claim of another request's probe, which only a second look tells. */
const firstPauseMs = 500
/** A slow answer must not be paid twice, and a client that waited so long would rather know. */
const longestAttemptMs = 30_000

/** An attempt that failed. */
export interface FailedTry {
  planned: PlannedAccount
  failure: AccountFailure
  /** Null: there was no answer. */
  status: number | null
  tookMs: number
}

export interface SoleRetry {
  noteFailure(attempt: FailedTry): void
  /** Counts a try of an account that had failed before. */
  noteRetry(): void
  /** The accounts that may be asked again; none when all tries or all time is used up. */
  accounts(): PlannedAccount[]
  /** Waits until one of them may be asked. @param none why none can be now, as the store has answered. */
  pause(none: Reply): Promise<AfterPause>
}

type Reply = Pick<NoneReply, 'soonestMs' | 'nowMs' | 'atCapacity' | 'probing'> & {
  /** Of the account that has just failed; 0 when `soonestMs` counts it already. */
  cooldownUntilMs: number
}

/** Up to six more tries within `SOLE_ACCOUNT_RETRY_SECONDS` of the first pause, and the deadline. */
export function createSoleRetry(
  gateway: Gateway,
  { client, deadlineMonotonicMs }: AttemptContext,
  { keyId, ledgerId }: { keyId: string; ledgerId: string },
): SoleRetry {
  const { config, monotonicMs } = gateway.runtime
  const windowMs = config.SOLE_ACCOUNT_RETRY_SECONDS * 1000
  const transient = new Set<PlannedAccount>()
  let waiting: ReturnType<typeof createWaiting> | undefined
  let retriesLeft = windowMs > 0 ? maxRetries : 0
  return {
    noteFailure(attempt) {
      if (mayBeRetried(attempt, client.hints.stream)) transient.add(attempt.planned)
      else transient.delete(attempt.planned)
    },
    noteRetry: () => void retriesLeft--,
    accounts: () => (retriesLeft > 0 ? [...transient] : []),
    async pause({ soonestMs, cooldownUntilMs, ...none }) {
      const leftMs = deadlineMonotonicMs - monotonicMs()
      waiting ??= createWaiting(gateway, keyId, client.signal, Math.min(windowMs, leftMs))
      const first = cooldownUntilMs && Math.min(cooldownUntilMs, none.nowMs + firstPauseMs)
      const known = [soonestMs, first].filter((ms) => ms > 0)
      const nextMs = known.length > 0 ? Math.min(...known) : 0
      const jitterMs = Math.ceil((Math.max(0, nextMs - none.nowMs) * fractionOf(ledgerId)) / 4)
      const after = await waiting.pause({ ...none, soonestMs: nextMs + jitterMs })
      if (after === 'too_late') retriesLeft = 0
      return after
    },
  }
}

/** Whether the same account may answer the same request soon, and asking again costs nothing twice. */
function mayBeRetried({ failure, status, tookMs }: FailedTry, isStream: boolean): boolean {
  if (!isTransient(failure)) return false
  // A page or a redirect instead of an answer comes from a wrong address, unless it says it succeeded.
  if (failure.reason === 'bad_answer' && (status === null || status >= 300)) return false
  return tookMs <= longestAttemptMs || (isStream && failure.reason !== 'timeout')
}

/** A part of 1 that is the same for each pause of a request, and differs between requests. */
const fractionOf = (ledgerId: string) => Number.parseInt(ledgerId.slice(-4), 16) / 0x1_00_00 || 0
