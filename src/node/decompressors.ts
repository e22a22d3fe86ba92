/** Undoes the compression of request bodies, with what Node has. */
import zlib from 'node:zlib'
import type { ByteReader } from '../http-message.ts'
import type { Decompress } from '../runtime.ts'

/** What follows the end of the one stream is an error; types of Node's option are not published yet. */
const strict = { rejectGarbageAfterEnd: true, chunkSize: 64 * 1024 }
/** RFC 8878 §3.1.1.1.2 recommends to support 8 MiB; a decoder may take as much memory as the frame says. */
const zstdWindowBits = 23

const readerOf = (stream: zlib.Gunzip, compressed: Uint8Array): ByteReader => {
  stream.end(compressed)
  const parts = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  return {
    async read() {
      const { done, value } = await parts.next()
      return done ? { done: true } : { done: false, value }
    },
    async cancel() {
      stream.destroy()
    },
  }
}

/** By content coding (RFC 9110 §8.4.1). Node 20 has no zstd. */
export const decompressors: ReadonlyMap<string, Decompress> = new Map<string, Decompress>([
  ['gzip', (bytes) => readerOf(zlib.createGunzip(strict), bytes)],
  ['deflate', (bytes) => readerOf(zlib.createInflate(strict), bytes)],
  ['br', (bytes) => readerOf(zlib.createBrotliDecompress(strict), bytes)],
  ...zstd(),
])

function zstd(): [string, Decompress][] {
  const { createZstdDecompress: create, constants } = zlib
  if (typeof create !== 'function') return []
  const params = { [constants.ZSTD_d_windowLogMax]: zstdWindowBits }
  return [['zstd', (bytes) => readerOf(create({ ...strict, params }), bytes)]]
}
