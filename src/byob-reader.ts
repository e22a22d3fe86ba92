/** Reads a stream of bytes into one buffer, so that one read brings what arrived in several parts. */
import type { ByteReader } from './http-message.ts'

/** A buffer belongs to a read that waits: it begins small, and doubles when a read has filled it. */
const firstBytes = 1024
const maxBytes = 64 * 1024

/** A reader of `body`; its parts are copies, and stay as they are. */
export function openByobReader(body: ReadableStream<Uint8Array>): ByteReader {
  const reader = body.getReader({ mode: 'byob' })
  let bufferBytes = firstBytes
  let buffer: ArrayBuffer | undefined
  return {
    joinsParts: true,
    async read() {
      const view = new Uint8Array(buffer ?? new ArrayBuffer(bufferBytes))
      // While it waits it is the stream's.
      buffer = undefined
      const { done, value } = await reader.read(view)
      // At its end a stream of bytes gives the empty buffer back.
      if (done || !value) return { done: true }
      if (value.length < bufferBytes) buffer = value.buffer
      else bufferBytes = Math.min(2 * bufferBytes, maxBytes)
      return { done, value: value.slice() }
    },
    cancel: (reason) => reader.cancel(reason),
  }
}
