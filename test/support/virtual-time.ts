/** Virtual time: a clock that stands still while there is work, and jumps to the next timer when none is left. */
import { type Clock, sleep, type Timer } from '../../src/clock.ts'

interface PendingTimer {
  dueMs: number
  run: () => void
  isOver: boolean
}

/** The clock of a gateway, of its store (`now`), and of everything that a test simulates. */
export interface VirtualTime extends Clock {
  /** Rejects with the signal's reason when that aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /**
   * Runs `work` to its end, and lets time pass whenever nothing else is left to do. Timers that are
   * due at one moment fire together, in the order in which they were set.
   */
  run<T>(work: () => Promise<T>): Promise<T>
  /** Lets time pass by hand, from timer to timer, with a turn for the work that each brings. */
  pass(ms: number): Promise<void>
  /** Moves the wall clock forward, or back; timers and the monotonic clock go on as they were. */
  moveWallClock(byMs: number): void
}

/** Turns of the event loop without work after which the process counts as idle. */
const idleTurns = 2

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** @param isBusy whether somebody still waits for what is neither a timer nor a promise at hand. */
export function createVirtualTime(
  startMs: number,
  isBusy: () => boolean = () => false,
): VirtualTime {
  let elapsedMs = 0
  let wallStartMs = startMs
  const timers = createTimers(() => elapsedMs)

  function jump(toMs: number) {
    elapsedMs = toMs
    for (const timer of timers.takeDue(toMs)) timer.run()
  }

  async function idle() {
    for (let quiet = 0; quiet < idleTurns; quiet++) {
      await turn()
      if (isBusy()) quiet = -1
    }
  }

  return {
    now: () => wallStartMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    setTimer: timers.set,
    moveWallClock(byMs) {
      wallStartMs += byMs
    },
    async sleep(ms, signal) {
      await sleep({ setTimer: timers.set }, ms, signal)
      signal?.throwIfAborted()
    },
    async pass(ms) {
      const endMs = elapsedMs + ms
      await idle()
      for (let dueMs = timers.soonestMs(); dueMs !== undefined && dueMs <= endMs; ) {
        jump(dueMs)
        await idle()
        dueMs = timers.soonestMs()
      }
      elapsedMs = endMs
    },
    async run(work) {
      let isOver = false
      const result = work().finally(() => {
        isOver = true
      })
      result.catch(() => {})
      for (await idle(); !isOver; await idle()) {
        const dueMs = timers.soonestMs()
        if (dueMs === undefined)
          throw new Error('The work waits for something that no timer brings')
        jump(dueMs)
      }
      return result
    },
  }
}

/** Timers in the order in which they are due, and set. */
function createTimers(nowMs: () => number) {
  /** The soonest is the last, and of one moment the first set is the last. */
  const pending: PendingTimer[] = []

  function insert(timer: PendingTimer) {
    let low = 0
    let high = pending.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((pending[middle]?.dueMs ?? 0) > timer.dueMs) low = middle + 1
      else high = middle
    }
    pending.splice(low, 0, timer)
  }

  function soonestMs(): number | undefined {
    while (pending.at(-1)?.isOver) pending.pop()
    return pending.at(-1)?.dueMs
  }

  return {
    soonestMs,
    set(run: () => void, delayMs: number): Timer {
      const dueMs = nowMs() + Math.max(1, Math.trunc(delayMs) || 0)
      const clear = () => {
        timer.isOver = true
      }
      const timer: PendingTimer = { dueMs, run, isOver: false }
      insert(timer)
      return { clear }
    },
    /** Those due at `dueMs`, one after the other: one that runs may clear those after it. */
    *takeDue(dueMs: number): Generator<PendingTimer> {
      const due: PendingTimer[] = []
      while (pending.at(-1)?.dueMs === dueMs) due.push(...pending.splice(-1))
      for (const timer of due) {
        if (timer.isOver) continue
        timer.isOver = true
        yield timer
      }
    },
  }
}
