/** Decodes an answer that an upstream compressed although it was asked not to, as `fetch` would. */
import type { ByteReader, HttpAnswer } from '../../http-message.ts'

/** Content codings (RFC 9110 §8.4.1) by the names that `DecompressionStream` has for them. */
const formats = new Map<string, ConstructorParameters<typeof DecompressionStream>[0]>([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'brotli'],
])

/**
 * The answer with its body decoded and without the headers of the coded one.
 * @throws Error for a coding that this host cannot undo; the body is cancelled then.
 */
export function decodeAnswer(answer: HttpAnswer): HttpAnswer {
  const { status, headers, body } = answer
  const coding = (headers.get('content-encoding') ?? 'identity').trim().toLowerCase()
  if (coding === 'identity' || coding === '' || !body) return answer
  const reader =
    body instanceof Uint8Array ? new Blob([body]).stream().getReader() : body.getReader()
  const format = formats.get(coding)
  if (format === undefined) {
    reader.cancel().catch(() => {})
    throw new Error('The upstream answered in a content coding that was not asked for')
  }
  headers.delete('content-encoding')
  headers.delete('content-length')
  return { status, headers, body: streamOf(reader).pipeThrough(new DecompressionStream(format)) }
}

function streamOf(reader: ByteReader): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(new Uint8Array(value))
    },
    cancel: (reason) => reader.cancel(reason),
  })
}
