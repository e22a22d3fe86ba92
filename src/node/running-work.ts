/** What a stopping host waits for: requests that are not fully answered, and work that they deferred. */
import type { Server } from 'node:http'
import type { Http2Bindings, HttpBindings } from '@hono/node-server'
import { sleep, type Timers } from '../clock.ts'
import { systemClock } from './clock.ts'
import { closeServer } from './server.ts'

export interface RunningWork {
  /** @param breakOff ends the work in order, as soon as it can. */
  add(work: Promise<unknown>, breakOff?: () => void): void
  /** Ends what can be ended before its time. */
  breakOff(): void
  /** Resolves when nothing runs any more; what runs may have added more meanwhile. */
  settled(): Promise<void>
}

export function createRunningWork(): RunningWork {
  const running = new Map<Promise<unknown>, (() => void) | undefined>()
  return {
    add(work, breakOff) {
      const end = () => void running.delete(tracked)
      const tracked: Promise<void> = work.then(end, end)
      running.set(tracked, breakOff)
    },
    breakOff() {
      for (const breakOff of running.values()) breakOff?.()
    },
    async settled() {
      while (running.size > 0) await Promise.all(running.keys())
    },
  }
}

export type Bindings = (HttpBindings | Http2Bindings) & { stopping?: AbortSignal }
export type Serve = (request: Request, bindings: Bindings) => Response | Promise<Response>

/** Serves with `fetch`; each request runs until its connection has taken the whole answer, or is told to stop. */
export function trackRequests(fetch: Serve, running: RunningWork): Serve {
  return (request, bindings) => {
    const stopping = new AbortController()
    const response = Promise.resolve(fetch(request, { ...bindings, stopping: stopping.signal }))
    running.add(untilSent(response, bindings.outgoing), () => stopping.abort())
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
