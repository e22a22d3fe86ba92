/** Gathers the parts of a fast stream, so that the client gets many of them in one write. */
import { joined } from '../../bytes.ts'

/** A stream that brings this many parts within one window is fast. */
const fastParts = 4
/** How long a stream whose parts cannot be read together is left alone after that was found out. */
const retryMs = 1_000

export interface Gatherer {
  /** Whether anything is gathered. */
  isEmpty(): boolean
  bytes(): number
  /** @param isAfterPause the read began when a pause was over. */
  add(part: Uint8Array, isAfterPause?: boolean): void
  /** All that is gathered, as one; it opens a window, within which the next parts are gathered. */
  take(nowMs: number): Uint8Array
  /** Milliseconds until the window ends; 0 after its end. */
  leftMs(nowMs: number): number
  /** The window is over, whatever the clock says. */
  endWindow(): void
  /** Whether reading may wait for the end of the window, since one read brings all that arrives in it. */
  mayPause(): boolean
}

/**
 * @param windowMs for so long after a write parts are gathered; 0 gathers nothing.
 * @param joinsParts whether one read may bring several parts.
 */
export function createGatherer(windowMs: number, joinsParts: boolean): Gatherer {
  let parts: Uint8Array[] = []
  let bytes = 0
  let windowEndsMs = 0
  let isWindowOver = false
  /** The size of a part that was read as it came. */
  let partBytes = 0
  let isPausing = false
  /** What is gathered was read after a pause. */
  let isPauseOver = false
  let retryAtMs = 0

  const judge = (nowMs: number) => {
    if (!isPausing) {
      partBytes = bytes / parts.length
      isPausing = joinsParts && parts.length >= fastParts && nowMs >= retryAtMs
    } else if (isPauseOver) {
      // As little as one part: it is slow again, or its parts come one by one, and pauses would delay them.
      isPausing = bytes >= 2 * partBytes
      if (!isPausing) retryAtMs = nowMs + retryMs
    }
    isPauseOver = false
  }

  return {
    isEmpty: () => parts.length === 0,
    bytes: () => bytes,
    add(part, isAfterPause = false) {
      isPauseOver ||= isAfterPause
      parts.push(part)
      bytes += part.length
    },
    take(nowMs) {
      const whole = joined(parts)
      if (parts.length > 0) judge(nowMs)
      parts = []
      bytes = 0
      // A timer that came late must not make the next one later still.
      const lateMs = nowMs - windowEndsMs
      windowEndsMs = nowMs + windowMs - (lateMs > 0 && lateMs < windowMs / 2 ? lateMs : 0)
      isWindowOver = false
      return whole
    },
    leftMs: (nowMs) => (isWindowOver ? 0 : Math.max(0, windowEndsMs - nowMs)),
    endWindow() {
      isWindowOver = true
    },
    mayPause: () => isPausing,
  }
}
