/** What every server of this folder does: listen, close within a bound, and end on a signal. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

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

/** Stops accepting and lets running requests end, but for no longer than `timeoutMs`. */
export async function closeServer(server: Server, timeoutMs: number): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  // A kept-alive connection becomes idle only when its last answer is out.
  const closeIdle = setInterval(() => server.closeIdleConnections(), 20)
  const closeAll = setTimeout(() => server.closeAllConnections(), timeoutMs)
  await closed
  clearInterval(closeIdle)
  clearTimeout(closeAll)
}

/**
 * Runs a server as a process: starts it, ends it in order on SIGTERM and SIGINT, at once on a second
 * one, and turns a start that fails into a message and exit code 1.
 * @param start resolves to what closes the server.
 */
export async function runServer(start: () => Promise<() => Promise<void>>): Promise<void> {
  // Whatever the process writes is for its owner only.
  process.umask(0o077)
  try {
    const close = await start()
    let stopping = false
    const stop = async () => {
      if (stopping) process.exit(1)
      stopping = true
      await close()
      process.exit(0)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  }
}
