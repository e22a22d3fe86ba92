/** Virtual time: the clock stands still while there is work, and jumps to the next timer when none is left. */

interface Timer {
  dueMs: number
  run: () => void
  /** Of an interval. */
  everyMs: number | undefined
  isOver: boolean
}

export interface VirtualTime {
  /** The virtual moment, for `Runtime.now` and the clock of the store. */
  now: () => number
  /** Rejects with the signal's reason when that aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /**
   * Runs `work` to its end. Meanwhile the global timers are virtual: whatever waits on them waits
   * in this time. Those due at one moment fire together, in the order in which they were set.
   */
  run<T>(work: () => Promise<T>): Promise<T>
}

const names = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const
/** Turns of the event loop without work after which the process counts as idle. */
const idleTurns = 2

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** @param isBusy whether somebody still waits for what is neither a timer nor a promise at hand. */
export function createVirtualTime(startMs: number, isBusy: () => boolean): VirtualTime {
  let nowMs = startMs
  /** The soonest is the last, and of one moment the first set is the last. */
  const timers: Timer[] = []

  function insert(timer: Timer) {
    let low = 0
    let high = timers.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((timers[middle]?.dueMs ?? 0) > timer.dueMs) low = middle + 1
      else high = middle
    }
    timers.splice(low, 0, timer)
  }

  function set(run: () => void, delayMs = 0, isInterval = false): Timer {
    const waitMs = Math.max(1, Math.trunc(delayMs) || 0)
    const everyMs = isInterval ? waitMs : undefined
    const timer = { dueMs: nowMs + waitMs, run, everyMs, isOver: false }
    insert(timer)
    return timer
  }

  const clear = (timer: Timer | undefined) => {
    if (timer) timer.isOver = true
  }

  function fire(timer: Timer) {
    if (timer.isOver) return
    if (timer.everyMs === undefined) timer.isOver = true
    timer.run()
    if (timer.isOver || timer.everyMs === undefined) return
    timer.dueMs += timer.everyMs
    insert(timer)
  }

  /** @throws Error when nothing would ever happen again. */
  function jump() {
    while (timers.at(-1)?.isOver) timers.pop()
    const next = timers.at(-1)
    if (!next) throw new Error('The work waits for something that no timer brings')
    nowMs = next.dueMs
    const due: Timer[] = []
    while (timers.at(-1)?.dueMs === nowMs) due.push(...timers.splice(-1))
    for (const timer of due) fire(timer)
  }

  async function idle() {
    for (let quiet = 0; quiet < idleTurns; quiet++) {
      await turn()
      if (isBusy()) quiet = -1
    }
  }

  return {
    now: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const give = () => {
          clear(timer)
          reject(signal?.reason)
        }
        const timer = set(() => {
          signal?.removeEventListener('abort', give)
          resolve()
        }, ms)
        if (signal?.aborted) give()
        else signal?.addEventListener('abort', give, { once: true })
      }),
    async run(work) {
      const real = Object.fromEntries(names.map((name) => [name, globalThis[name]]))
      Object.assign(globalThis, {
        setTimeout: (run: () => void, delayMs?: number) => set(run, delayMs),
        clearTimeout: clear,
        setInterval: (run: () => void, delayMs?: number) => set(run, delayMs, true),
        clearInterval: clear,
      })
      let isOver = false
      const result = work().finally(() => {
        isOver = true
      })
      result.catch(() => {})
      try {
        for (await idle(); !isOver; await idle()) jump()
        return await result
      } finally {
        Object.assign(globalThis, real)
      }
    },
  }
}
