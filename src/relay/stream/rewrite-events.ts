/** Rewrites whole events of a stream; bytes of events that stay the same are passed on as they are. */
import { joined } from '../../bytes.ts'
import { createEventTail } from './event-tail.ts'

/** An event longer than this passes in parts, as it is. */
const maxTailBytes = 256 * 1024

/** @param rewrite gets one or more whole events, and answers what the client is shown of them. */
export function rewriteEvents(
  rewrite: (events: string) => string,
): TransformStream<Uint8Array, Uint8Array> {
  const tail = createEventTail(maxTailBytes)
  const encoder = new TextEncoder()
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const shown = (pieces: Uint8Array[]): Uint8Array => {
    const bytes = joined(pieces)
    const text = decoder.decode(bytes)
    const rewritten = rewrite(text)
    return rewritten === text ? bytes : encoder.encode(rewritten)
  }
  return new TransformStream({
    transform(chunk, controller) {
      const pieces = tail.push(chunk)
      const bytes = pieces.length > 0 ? shown(pieces) : undefined
      if (bytes && bytes.length > 0) controller.enqueue(bytes)
    },
    flush(controller) {
      const bytes = shown(tail.rest())
      if (bytes.length > 0) controller.enqueue(bytes)
    },
  })
}
