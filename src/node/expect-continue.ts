/** `Expect: 100-continue`: a client is told to go on with its upload only when that is going to be read. */
import type { IncomingMessage, Server } from 'node:http'

/** Uploads that their clients have not been told to send. */
const held = new WeakSet<IncomingMessage>()

/** Whether its client still waits to be told to send the upload, or the answer instead (RFC 9110 §10.1.1). */
export const isHeldUpload = (incoming: IncomingMessage): boolean => held.has(incoming)

/**
 * Sends `100 Continue` with the first read of an upload, and not before its answer; Node alone sends
 * it at once, so that a client uploads everything although its key is bad. Node closes the connection
 * after an answer that came instead.
 */
export function continueWhenRead(server: Server): void {
  server.on('checkContinue', (incoming, outgoing) => {
    held.add(incoming)
    const read = incoming._read
    incoming._read = (size) => {
      if (held.delete(incoming) && !outgoing.headersSent) outgoing.writeContinue()
      read.call(incoming, size)
    }
    server.emit('request', incoming, outgoing)
  })
}
