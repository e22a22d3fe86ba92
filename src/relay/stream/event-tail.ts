/** Releases a stream of server-sent events at event boundaries, so that a stream that breaks off never joins two of them. */

const lineFeed = 10
const carriageReturn = 13

const isLineEnd = (byte: number | undefined) => byte === lineFeed || byte === carriageReturn

export interface EventTail {
  /** Takes the next bytes and returns what may go out now: everything up to the last blank line. */
  push(bytes: Uint8Array): Uint8Array[]
  /** What is still held back: the beginning of an event whose end has not come. */
  rest(): Uint8Array[]
  /** False when part of an unfinished event had to be released, because it was too long to hold. */
  isAtBoundary(): boolean
}

/** @param maxBytes the longest unfinished event that is held back. */
export function createEventTail(maxBytes: number): EventTail {
  let held: Uint8Array[] = []
  let heldBytes = 0
  let atBoundary = true
  // The last two bytes seen: a blank line may be split between chunks.
  let previous = 0
  let beforePrevious = 0

  /** Index after the last blank line that ends in `bytes`, or 0. A line ends in CR, LF or CRLF. */
  const lastBoundary = (bytes: Uint8Array): number => {
    const at = (index: number) =>
      index >= 0 ? bytes[index] : index === -1 ? previous : beforePrevious
    for (let end = bytes.length - 1; end >= 0; end--) {
      if (!isLineEnd(bytes[end])) continue
      const isPair = bytes[end] === lineFeed && at(end - 1) === carriageReturn
      if (isLineEnd(at(end - (isPair ? 2 : 1)))) return end + 1
    }
    return 0
  }

  return {
    push(bytes) {
      const length = bytes.length
      if (length === 0) return []
      const boundary = lastBoundary(bytes)
      beforePrevious = (length > 1 ? bytes[length - 2] : previous) ?? 0
      previous = bytes[length - 1] ?? previous
      if (boundary > 0) {
        const released = [...held, bytes.subarray(0, boundary)]
        held = boundary < length ? [bytes.subarray(boundary)] : []
        heldBytes = length - boundary
        atBoundary = true
        return released
      }
      held.push(bytes)
      heldBytes += length
      if (heldBytes <= maxBytes) return []
      const released = held
      held = []
      heldBytes = 0
      atBoundary = false
      return released
    },
    rest: () => held,
    isAtBoundary: () => atBoundary,
  }
}
