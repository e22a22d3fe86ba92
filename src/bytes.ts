/** Bytes: joins parts, and replaces some. */

/** All parts as one; a single one is not copied. */
export function joined(pieces: Uint8Array[]): Uint8Array {
  const [first] = pieces
  return pieces.length === 1 && first ? first : copied(pieces)
}

/** All parts as one, in memory of its own. */
export function copied(pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** A copy of `bytes` with those from `start` to `end` (exclusive) replaced. */
export function splice(
  bytes: Uint8Array,
  start: number,
  end: number,
  replacement: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes.length - (end - start) + replacement.length)
  copy.set(bytes.subarray(0, start))
  copy.set(replacement, start)
  copy.set(bytes.subarray(end), start + replacement.length)
  return copy
}
