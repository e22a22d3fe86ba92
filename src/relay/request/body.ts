/** Reads a whole body, up to a limit. */

/**
 * Reads `stream` to its end.
 * @returns the bytes, or undefined when there are more than `limitBytes`: then the stream is cancelled.
 * @throws what reading the stream throws.
 */
export async function readWhole(
  stream: ReadableStream<Uint8Array> | null,
  limitBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of stream ?? []) {
    length += chunk.length
    // Leaving the loop cancels the stream.
    if (length > limitBytes) return undefined
    chunks.push(chunk)
  }
  const whole = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}

/** The same for a message with headers; where they declare a length, the bytes are not counted. */
export async function readMessage(
  message: Request | Response,
  limitBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const declared = message.headers.get('content-length')
  if (declared === null) return readWhole(message.body, limitBytes)
  if (Number(declared) > limitBytes) {
    await message.body?.cancel()
    return undefined
  }
  return new Uint8Array(await message.arrayBuffer())
}
