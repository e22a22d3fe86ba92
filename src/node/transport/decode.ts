/** Decodes an answer that an upstream compressed although it was asked not to, as `fetch` would. */

/** Content codings (RFC 9110 §8.4.1) by the names that `DecompressionStream` has for them. */
const formats = new Map<string, ConstructorParameters<typeof DecompressionStream>[0]>([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'brotli'],
])

/**
 * The response with its body decoded and without the headers of the coded one.
 * @throws Error for a coding that this host cannot undo; the body is cancelled then.
 */
export function decodeResponse(response: Response): Response {
  const coding = (response.headers.get('content-encoding') ?? 'identity').trim().toLowerCase()
  if (coding === 'identity' || coding === '' || !response.body) return response
  const format = formats.get(coding)
  if (format === undefined) {
    response.body.cancel().catch(() => {})
    throw new Error('The upstream answered in a content coding that was not asked for')
  }
  const headers = new Headers(response.headers)
  headers.delete('content-encoding')
  headers.delete('content-length')
  const { status, statusText } = response
  const decoder = new DecompressionStream(format)
  return new Response(response.body.pipeThrough(decoder), { status, statusText, headers })
}
