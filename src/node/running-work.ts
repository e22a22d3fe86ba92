/** What a stopping host waits for: requests that are not fully answered, and work that they deferred. */
import type { Server } from 'node:http'
import type { Http2Bindings, HttpBindings } from '@hono/node-server'
import { sleep, type Timers } from '../clock.ts'
import { systemClock } from './clock.ts'
import { closeServer } from './server.ts'

export interface Running {
  /** To be called once, when it runs no more. */
  end(): void
  /** Gets what ends it in order, as soon as that can; called at once where it is too late already. */
  onBreakOff(breakOff: () => void): void
}

export interface RunningWork {
  /** Something begins to run. */
  start(): Running
  /** The same for what a promise stands for. */
  add(work: Promise<unknown>, breakOff?: () => void): void
  /** Ends what can be ended before its time, and what begins from now on. */
  breakOff(): void
  /** Resolves when nothing runs any more; what runs may have added more meanwhile. */
  settled(): Promise<void>
}

export function createRunningWork(): RunningWork {
  const running = new Set<{ breakOff(): void }>()
  let waiting: (() => void)[] = []
  let isOver = false
  const end = (work: { breakOff(): void }) => {
    running.delete(work)
    if (running.size > 0) return
    for (const resolve of waiting) resolve()
    waiting = []
  }
  const start = (): Running => {
    let isBrokenOff = isOver
    let callback: (() => void) | undefined
    const work = {
      breakOff() {
        isBrokenOff = true
        callback?.()
      },
    }
    running.add(work)
    return {
      end: () => end(work),
      onBreakOff(breakOff) {
        if (isBrokenOff) breakOff()
        else callback = breakOff
      },
    }
  }
  return {
    start,
    add(work, breakOff = () => {}) {
      const one = start()
      one.onBreakOff(breakOff)
      work.then(one.end, one.end)
    },
    breakOff() {
      isOver = true
      for (const work of running) work.breakOff()
    },
    async settled() {
      while (running.size > 0) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}

export type Bindings = (HttpBindings | Http2Bindings) & { onStopping?: Running['onBreakOff'] }
export type Serve = (request: Request, bindings: Bindings) => Response | Promise<Response>

/** Serves with `fetch`; each request runs until its connection has taken the whole answer, or is told to stop. */
export function trackRequests(fetch: Serve, running: RunningWork): Serve {
  return (request, bindings) => {
    const { onBreakOff: onStopping, end } = running.start()
    const response = Promise.resolve(fetch(request, { ...bindings, onStopping }))
    untilSent(response, bindings.outgoing).then(end)
    return response
  }
}

async function untilSent(response: Promise<Response>, outgoing: Bindings['outgoing']) {
  // A stream continues after its response was returned.
  const sent = new Promise((resolve) => outgoing.once('close', resolve))
  await Promise.allSettled([response, sent])
  // One turn later, listeners for a broken connection have deferred what is left to do.
  await new Promise((resolve) => setImmediate(resolve))
}

/** Clients must get the end of what is broken off before their connections are closed. */
const lastWordMs = 1_000
/** Aborted streams still have to settle after the drain time is over. */
const settleGraceMs = 2_000

/**
 * Stops accepting and lets requests end within `timeoutMs`. Those that have not are answered with an
 * error within 1 s, and what they deferred has 2 s more.
 */
export async function drain(
  server: Server,
  running: RunningWork,
  timeoutMs: number,
  timers: Timers = systemClock,
): Promise<void> {
  const timer = timers.setTimer(() => running.breakOff(), timeoutMs)
  await closeServer(server, timeoutMs + lastWordMs, timers)
  timer.clear()
  const settled = new AbortController()
  await Promise.race([running.settled(), sleep(timers, settleGraceMs, settled.signal)])
  settled.abort()
}
