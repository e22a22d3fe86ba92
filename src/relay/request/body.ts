/** Reads a whole body, up to a limit. */
import { copied } from '../../bytes.ts'
import type { ByteReader, ByteStream, HeaderReader } from '../../http-message.ts'

/**
 * Reads `stream` to its end, unless it is whole already. What it holds is counted as it is read: a declared length may count
 * compressed bytes, or be wrong.
 * @returns the bytes, or undefined when there are more than `limitBytes`: then the stream is cancelled.
 * @throws what reading the stream throws.
 */
export async function readWhole(
  stream: Uint8Array<ArrayBuffer> | ByteStream | null,
  limitBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (!stream) return new Uint8Array()
  if (stream instanceof Uint8Array) return stream.length > limitBytes ? undefined : stream
  const reader = stream.getReader()
  const body = await readAll(reader, limitBytes)
  if (!body) await reader.cancel().catch(() => {})
  return body
}

/** The length that a message declares; undefined where it declares none, or nothing like one. */
export function declaredLength(headers: HeaderReader): number | undefined {
  const declared = headers.get('content-length') ?? ''
  return /^\d{1,15}$/.test(declared) ? Number(declared) : undefined
}

/** What an upload may take of memory. */
export interface UploadRoom {
  limitBytes: number
  /** Of which there may be no more either. */
  declaredBytes?: number | undefined
  /** Called before more is held of an upload of unknown length; throws when there is no room. */
  makeRoom: (bytes: number) => Promise<void>
}

/**
 * Reads an upload to its end, but leaves it as it is when it is too long: what happens to the rest
 * is the host's business.
 * @returns the bytes, or undefined when there are more than `limitBytes`.
 * @throws what reading the stream or `makeRoom` throws.
 */
export async function readUpload(
  upload: ByteStream | null,
  { limitBytes, declaredBytes, makeRoom }: UploadRoom,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (!upload) return new Uint8Array()
  if (declaredBytes === undefined) return readAll(upload.getReader(), limitBytes, makeRoom)
  return fill(new Uint8Array(declaredBytes), upload.getReader())
}

/**
 * Reads a body that a host makes, such as what a compressed one holds, and ends it when it is too long.
 * @returns the bytes, or undefined when there are more than `limitBytes`.
 * @throws what the reader or `makeRoom` throws.
 */
export async function readParts(
  reader: ByteReader,
  { limitBytes, makeRoom }: Pick<UploadRoom, 'limitBytes' | 'makeRoom'>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let isRead = false
  try {
    const body = await readAll(reader, limitBytes, makeRoom)
    isRead = body !== undefined
    return body
  } finally {
    if (!isRead) reader.cancel().catch(() => {})
  }
}

/** The same into one piece of memory, so that no body is in it twice. */
async function fill(
  whole: Uint8Array<ArrayBuffer>,
  reader: ByteReader,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return length === whole.length ? whole : whole.slice(0, length)
    if (length + value.length > whole.length) return undefined
    whole.set(value, length)
    length += value.length
  }
}

async function readAll(
  reader: ByteReader,
  limitBytes: number,
  makeRoom?: UploadRoom['makeRoom'],
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.length
    if (length > limitBytes) return undefined
    await makeRoom?.(length)
    chunks.push(value)
  }
  return copied(chunks)
}
