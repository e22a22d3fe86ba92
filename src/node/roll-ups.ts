/** Rolls up the usage ledger at the start of the host and after the end of each hour. */
import type { Timer } from '../clock.ts'
import type { Gateway } from '../gateway.ts'
import { bucketsAt } from '../ledger/calendar.ts'
import { rollUp } from '../ledger/roll-up.ts'

/** How much later than the hour it runs at the latest, so that several hosts do not meet. */
const spreadMs = 60_000
/** Timers that are set for longer may come late, after the machine has slept. */
const longestTimerMs = 10 * 60_000

/** @returns a function that ends it; what is running goes on. */
export function startRollUps({ runtime, keyspace }: Gateway): () => void {
  let timer: Timer | undefined
  const run = () => {
    runtime.defer(rollUp(runtime.redis, keyspace))
    const { hourEndsMs } = bucketsAt(runtime.now(), runtime.config.TIMEZONE)
    waitUntil(hourEndsMs + Math.ceil(Math.random() * spreadMs))
  }
  const waitUntil = (dueMs: number) => {
    const waitMs = dueMs - runtime.now()
    timer = runtime.setTimer(
      () => (runtime.now() < dueMs ? waitUntil(dueMs) : run()),
      Math.min(waitMs, longestTimerMs),
    )
  }
  run()
  return () => timer?.clear()
}
