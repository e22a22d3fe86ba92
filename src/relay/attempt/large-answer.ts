/** Reads a JSON answer that is too large to be parsed in one go: other requests must not wait for that. */
import { runInStretches, type Scan, scanObject } from '../../dialects/json-scan.ts'
import { parseJson } from '../../json.ts'

/** Longer answers are read in stretches; to parse as much takes some 20 ms at worst. */
export const maxParsedBytes = 1024 * 1024
/** Of a longer answer, members of at most so many bytes are parsed: usage is far shorter. */
const maxMemberBytes = 64 * 1024

/** A JSON object of which the long members are left out. */
export interface LargeAnswer {
  members: Record<string, unknown>
  /** Bytes of the members that were left out. */
  unreadBytes: number
}

/**
 * Reads the short members of the object in `body`.
 * @param pause is waited for after each stretch.
 * @returns undefined when it is no JSON object, or one beyond the bounds of `scanObject`.
 */
export async function readLargeAnswer(
  body: Uint8Array<ArrayBuffer>,
  pause: () => Promise<void>,
): Promise<LargeAnswer | undefined> {
  try {
    return await runInStretches(readMembers(body), pause)
  } catch {
    return undefined
  }
}

function* readMembers(body: Uint8Array<ArrayBuffer>): Scan<LargeAnswer> {
  const decoder = new TextDecoder()
  const members: [string, unknown][] = []
  let unreadBytes = 0
  for (const { key, start, end } of yield* scanObject(body)) {
    const length = end - start
    if (key === undefined || length > maxMemberBytes) unreadBytes += length
    else members.push([key, parseJson(decoder.decode(body.subarray(start, end)))])
  }
  return { members: Object.fromEntries(members), unreadBytes }
}
