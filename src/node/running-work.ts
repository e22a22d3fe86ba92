/** What a stopping host waits for: requests that are not fully answered, and work that they deferred. */
import type { Server } from 'node:http'
import type { Http2Bindings, HttpBindings } from '@hono/node-server'
import { sleep, type Timers } from '../clock.ts'
import { systemClock } from './clock.ts'
import { closeServer } from './server.ts'

export interface RunningWork {
  add(work: Promise<unknown>): void
  /** Resolves when nothing runs any more; what runs may have added more meanwhile. */
  settled(): Promise<void>
}

export function createRunningWork(): RunningWork {
  const running = new Set<Promise<unknown>>()
  return {
    add(work) {
      const end = () => void running.delete(tracked)
      const tracked: Promise<void> = work.then(end, end)
      running.add(tracked)
    },
    async settled() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}

type Bindings = HttpBindings | Http2Bindings
type Serve = (request: Request, bindings: Bindings) => Response | Promise<Response>

/** Serves with `fetch`; each request runs until its connection has taken the whole answer. */
export function trackRequests(fetch: Serve, running: RunningWork): Serve {
  return (request, bindings) => {
    const response = Promise.resolve(fetch(request, bindings))
    running.add(untilSent(response, bindings.outgoing))
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

/** Aborted streams still have to settle after the drain time is over. */
const settleGraceMs = 2_000

/** Stops accepting, lets requests end within `timeoutMs`, and then what they deferred within 2 s. */
export async function drain(
  server: Server,
  running: RunningWork,
  timeoutMs: number,
  timers: Timers = systemClock,
): Promise<void> {
  await closeServer(server, timeoutMs, timers)
  const settled = new AbortController()
  await Promise.race([running.settled(), sleep(timers, settleGraceMs, settled.signal)])
  settled.abort()
}
