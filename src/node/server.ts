/** What every HTTP server of this host does: listen, and close within a bound. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { every, type Timers } from '../clock.ts'
import { systemClock } from './clock.ts'

/** Listens and resolves to the URL. @throws Error that names the two settings when it cannot. */
export function listen(
  server: Server,
  where: { host: string; port: number; settings: string },
): Promise<string> {
  const { host, port, settings } = where
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new Error(`${settings}: cannot listen on ${host}:${port}`, { cause })),
    )
    server.listen(port, host, () => {
      const { address, port: chosen, family } = server.address() as AddressInfo
      resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${chosen}`)
    })
  })
}

/**
 * Keeps idle connections for `seconds`. A balancer in front must be the one that closes first: it
 * answers 502 for a request that it sent on a connection which was just being closed.
 */
export function keepIdleConnections(server: Server, seconds: number): void {
  server.keepAliveTimeout = seconds * 1000
  // The limit for the headers of a request; a shorter one could end a connection that is kept.
  server.headersTimeout = Math.max(60_000, (seconds + 1) * 1000)
}

const checkIdleMs = 20

/** Stops accepting and lets running requests end; after `timeoutMs` it closes the connections of the rest. */
export async function closeServer(
  server: Server,
  timeoutMs: number,
  timers: Timers = systemClock,
): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  // A connection that is kept alive becomes idle only when its last answer is sent.
  const closeIdle = every(timers, () => server.closeIdleConnections(), checkIdleMs)
  const closeAll = timers.setTimer(() => server.closeAllConnections(), timeoutMs)
  await closed
  closeIdle.clear()
  closeAll.clear()
}
