/** Tells what a body is by its beginning: labels are often wrong. */

import { copied, joined } from '../../bytes.ts'
import type { ByteReader, ByteStream } from '../../http-message.ts'

/** `unknown`: neither a JSON object nor server-sent events. */
export type BodyForm = 'json' | 'events' | 'unknown'

/** A body whose beginning has been read. */
export interface SniffedBody {
  form: BodyForm
  /** What was read of it. */
  held: Uint8Array[]
  rest: ByteReader
}

/** Blank bytes, by which upstreams keep a connection alive, and the longest name of a field. */
const maxSniffedBytes = 64 * 1024
/** Fields of an event (HTML Living Standard §9.2.6); a comment begins with the colon itself. */
const fields = ['event:', 'data:', 'id:', 'retry:']
const byteOrderMark = [0xef, 0xbb, 0xbf]
const brace = 0x7b
const colon = 0x3a

const isBlank = (byte: number) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)

/** The form of a body that begins with `bytes`; undefined while they could still be either. */
export function formOf(bytes: Uint8Array): BodyForm | undefined {
  const start = startOf(bytes)
  if (start === bytes.length) return undefined
  if (bytes[start] === brace) return 'json'
  if (bytes[start] === colon) return 'events'
  const word = String.fromCharCode(...bytes.subarray(start, start + 'retry:'.length))
  if (fields.some((field) => word.startsWith(field))) return 'events'
  const isMark = byteOrderMark[0] === bytes[start] && bytes.length - start < byteOrderMark.length
  return isMark || fields.some((field) => field.startsWith(word)) ? undefined : 'unknown'
}

/** Where the first byte is that is neither blank nor a byte order mark. */
function startOf(bytes: Uint8Array): number {
  let start = byteOrderMark.every((byte, index) => bytes[index] === byte) ? byteOrderMark.length : 0
  while (start < bytes.length && isBlank(bytes[start] ?? 0)) start++
  return start
}

/**
 * Reads `body` until its form is told, at most 64 KiB.
 * @param onBytes is called for each part.
 * @throws what reading the body throws.
 */
export async function sniff(body: ByteStream, onBytes: () => void): Promise<SniffedBody> {
  const rest = body.getReader()
  const held: Uint8Array[] = []
  let heldBytes = 0
  let beginning: Uint8Array = new Uint8Array()
  for (;;) {
    const { done, value } = await rest.read()
    if (done) return { form: 'unknown', held, rest }
    onBytes()
    held.push(value)
    heldBytes += value.length
    beginning = beginning.length === 0 ? value : joined([beginning, value])
    const form = formOf(beginning)
    if (form) return { form, held, rest }
    if (heldBytes > maxSniffedBytes) return { form: 'unknown', held, rest }
    // Only a few bytes are joined, however small the parts are.
    beginning = beginning.subarray(startOf(beginning))
  }
}

/**
 * Reads the rest of a body whole.
 * @returns the bytes, or undefined when there are more than `limitBytes`: then the body is cancelled.
 * @throws what reading the body throws.
 */
export async function readRest(
  { held, rest }: SniffedBody,
  limitBytes: number,
  onBytes: () => void,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks = [...held]
  let length = held.reduce((sum, chunk) => sum + chunk.length, 0)
  for (;;) {
    const { done, value } = await rest.read()
    if (done) break
    onBytes()
    length += value.length
    if (length > limitBytes) {
      await rest.cancel().catch(() => {})
      return undefined
    }
    chunks.push(value)
  }
  return copied(chunks)
}
