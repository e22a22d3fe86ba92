/** Skips interim responses that were not asked for: RFC 9110 §15.2 lets a client ignore them, undici fails on `100 Continue`. */

type Read = (size?: number) => unknown

/** Any but 101, which ends the protocol of the connection. */
const interimHead = /^HTTP\/1\.[01] 1(?!01)\d\d/
const beginning = 'HTTP/1.1 1'
const beginningBytes = 'HTTP/1.1 100'.length
const headEnd = Buffer.from('\r\n\r\n')
/** A longer interim head is passed on, and fails. */
const maxHeadBytes = 16 * 1024

/** Reads the bytes of one connection without interim heads. */
export interface InterimFilter {
  read: Read
  /** The next bytes begin a response. */
  expectHead(): void
}

/** @param source reads the next bytes of the connection, or gives null when there are none. */
export function createInterimFilter(source: Read): InterimFilter {
  let isHead = true
  let held: Buffer = Buffer.alloc(0)

  /** The bytes without interim heads; null when more must come before that is known. */
  const filtered = (chunk: Buffer): Buffer | null => {
    let bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    held = Buffer.alloc(0)
    for (;;) {
      const start = bytes.toString('latin1', 0, beginningBytes)
      const isBegun =
        start.length < beginningBytes &&
        (beginning.startsWith(start) || start.startsWith(beginning))
      if (!(isBegun || interimHead.test(start)) || bytes.length > maxHeadBytes) break
      const end = bytes.indexOf(headEnd)
      if (end < 0) {
        held = bytes
        return null
      }
      bytes = bytes.subarray(end + headEnd.length)
    }
    isHead = false
    return bytes
  }

  return {
    read(size) {
      for (;;) {
        const chunk = source(size)
        if (!isHead || !Buffer.isBuffer(chunk)) return chunk
        const bytes = filtered(chunk)
        if (bytes) return bytes
      }
    },
    expectHead() {
      isHead = true
    },
  }
}
