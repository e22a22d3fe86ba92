/** A server as a process: how it starts, and how it ends on a signal, even while it starts. */

/** Starts a server and resolves to what closes it; rejects when `stopped` is aborted before that. */
export type Start = (stopped: AbortSignal) => Promise<() => Promise<void>>

/**
 * Runs a server until SIGTERM or SIGINT, and then closes it in order, with exit code 0. A signal that
 * comes during the start ends the start, with exit code 0 too. A second signal ends the process at
 * once, with exit code 1; so does a start that fails, with a message.
 *
 * The handlers are set before anything else happens. So an entry loads this file alone, and `start`
 * imports the rest.
 */
export async function runServer(start: Start): Promise<void> {
  const stopping = new AbortController()
  const stopped = stopping.signal
  const stop = () => (stopped.aborted ? process.exit(1) : stopping.abort(new Error('Stopped')))
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // What the process writes is readable by its owner only.
  process.umask(0o077)
  const close = await start(stopped).catch((error: unknown) => {
    if (stopped.aborted) process.exit(0)
    return fail(error)
  })
  await aborted(stopped)
  await close().catch(fail)
  process.exit(0)
}

function fail(error: unknown): never {
  process.stderr.write(`${explain(error)}\n`)
  process.exit(1)
}

/** A message with its cause; of a programming error the stack. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const isOurs = [TypeError, RangeError, ReferenceError].some((kind) => error instanceof kind)
  if (isOurs) return String(error.stack)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve())
  })
}
