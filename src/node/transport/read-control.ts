/** Back-pressure on connections: a reader that is slow pauses the one its bytes come from. */
import type { Socket } from 'node:net'
import { createInterimFilter } from './interim-filter.ts'

/** Pauses and resumes reading from one connection. */
export interface ReadControl {
  pause(): void
  resume(): void
  /** The response has ended: what comes next is the head of another. */
  expectHead(): void
  /** The error that broke the connection, if one has. */
  error(): Error | null
}

export interface ReadControls {
  /** Gives a connected socket its control, before undici takes the socket. */
  install(socket: Socket): void
  /** The control of the connection whose bytes are being parsed; valid in a response callback only. */
  current(): ReadControl | undefined
}

/**
 * Makes the controls of one transport. The public `pause` of undici is not used: a connection that is
 * not kept alive and ends while paused fails an assertion in an event handler (7.30.2), which ends
 * the process. Nor does undici say whether a body without a length ended or was reset.
 */
export function createReadControls(): ReadControls {
  let current: ReadControl | undefined
  return {
    install(socket) {
      const control = createReadControl(socket, () => {
        // undici parses what it has read in the same turn.
        current = control
      })
    },
    current: () => current,
  }
}

function createReadControl(socket: Socket, beforeParse: () => void): ReadControl {
  const interim = createInterimFilter(socket.read.bind(socket))
  let isPaused = false
  socket.read = (size) => {
    const chunk: unknown = isPaused ? null : interim.read(size)
    beforeParse()
    return chunk
  }
  return {
    pause() {
      isPaused = true
    },
    resume() {
      if (!isPaused) return
      isPaused = false
      // The parser is not re-entrant, and this may be called from within it.
      queueMicrotask(() => {
        if (!isPaused && !socket.destroyed) socket.emit('readable')
      })
    },
    expectHead: interim.expectHead,
    error: () => socket.errored,
  }
}
