/** Turn: a request over the concurrency limit of its key waits until the store says that it may run. */
import type { Gateway } from '../../gateway.ts'
import type { AdmitInput, WaitReply } from '../../store/scripts/admit.ts'
import { leaveQueueScript } from '../../store/scripts/leave-queue.ts'
import type { Sleeper } from '../../wake-ups.ts'
import type { ClientRequest } from '../request/client-request.ts'
import type { AfterPause } from './waiting.ts'

/** A slot may be free at any time: ask again, ever less often. */
const firstPollMs = 100
const pollGrowth = 1.5
const longestPollMs = 1_000
/** With as many polls missed, the ticket of a request is forgotten. */
const missedPolls = 3
/** Where polls are few, this part of them is spent at the longest pause; the rest is for the first seconds. */
const slowPart = 0.6

export interface Turn {
  /** What `admit` is to be asked with. */
  readonly place: AdmitInput['queue']
  /** Waits before the next poll. @param reply what the store has just answered for this key. */
  pause(keyId: string, reply: WaitReply): Promise<AfterPause>
  /** Its turn has come, and the store has taken its ticket back. */
  come(): void
  /** To be called once, when the request has an account or is refused. */
  end(): void
}

/**
 * The wait of one request for its turn: `CONCURRENCY_WAIT_SECONDS` from its first pause (a stream, which is
 * kept alive meanwhile: `STREAM_CONCURRENCY_WAIT_SECONDS`), until its client has gone. A request of the
 * same key that ends in this process wakes it before its pause is over.
 */
export function createTurn(
  { runtime, keyspace, wakeUps }: Gateway,
  { hints, signal }: Pick<ClientRequest, 'hints' | 'signal'>,
): Turn {
  const { config, waitingPollLimit = Infinity } = runtime
  const waitSeconds = hints.stream
    ? config.STREAM_CONCURRENCY_WAIT_SECONDS
    : config.CONCURRENCY_WAIT_SECONDS
  const waitMs = Math.min(waitSeconds, config.REQUEST_DEADLINE_SECONDS) * 1000
  const slowestPollMs = Math.max(longestPollMs, Math.ceil(waitMs / (slowPart * waitingPollLimit)))
  let ticket = ''
  /** The key in whose queue the ticket is. */
  let queuedAs: string | undefined
  let sleeper: Sleeper | undefined
  let endsMonotonicMs: number | undefined
  let pollMs = firstPollMs
  let polls = 0

  const leaveQueue = async (keyId: string) => {
    // A ticket that cannot be taken out expires by itself.
    await leaveQueueScript(runtime.redis, keyspace, { keyId, ticket }).catch(() => {})
    wakeUps.wake(keyId)
  }

  return {
    get place() {
      // The pause that follows this poll is `pollMs` long.
      const ticketMs = waitMs === 0 ? 0 : missedPolls * Math.max(longestPollMs, Math.ceil(pollMs))
      return { ticket, ticketMs }
    },
    async pause(keyId, reply) {
      ticket = reply.ticket
      queuedAs = keyId
      if (signal.aborted) return 'client_gone'
      const nowMonotonicMs = runtime.monotonicMs()
      endsMonotonicMs ??= nowMonotonicMs + waitMs
      const leftMs = endsMonotonicMs - nowMonotonicMs
      if (leftMs <= 0 || polls >= waitingPollLimit) return 'too_late'
      polls++
      sleeper ??= wakeUps.enter(keyId)
      const pauseMs = polls === waitingPollLimit ? leftMs : Math.min(pollMs, leftMs)
      pollMs = Math.min(pollGrowth * pollMs, slowestPollMs)
      await sleeper.sleep(runtime, pauseMs, signal)
      return signal.aborted ? 'client_gone' : 'retry'
    },
    come() {
      queuedAs = undefined
    },
    end() {
      sleeper?.leave()
      if (queuedAs !== undefined) runtime.defer(leaveQueue(queuedAs))
    },
  }
}
