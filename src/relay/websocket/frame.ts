/** Reads the messages of a client's socket. */
import type { Dialect } from '../../dialects/dialect.ts'
import { type JsonChild, runInStretches, scanObject } from '../../dialects/json-scan.ts'
import { GatewayError } from '../../errors.ts'
import { type Hints, parseSpan, readHints } from '../request/hints.ts'

/** A message; `hints` only of one that asks for a response. */
export interface Frame {
  text: string
  bytes: Uint8Array<ArrayBuffer>
  /** Several responses may run on one socket, each on a lane of its own; empty without a name. */
  lane: string
  hints?: Hints
  /** It only prepares the cache of the vendor. */
  isPrewarm: boolean
}

const maxLaneName = 256
/** What tells what a message is: of two with one name, the upstream might read the other. */
const decisive = new Set(['type', 'stream_id', 'generate'])

/**
 * @param pause is waited for after each stretch of a long message.
 * @throws GatewayError `invalid_json`, `invalid_request`, `duplicate_field` for what cannot be relayed.
 */
export async function readFrame(
  text: string,
  limitBytes: number,
  dialect: Pick<Dialect, 'adapt'>,
  pause: () => Promise<void>,
): Promise<Frame> {
  if (text.length > limitBytes) {
    throw new GatewayError('body_too_large', `The message is larger than ${limitBytes} bytes`)
  }
  const bytes = new TextEncoder().encode(text)
  const members = await runInStretches(scanObject(bytes), pause)
  const deciding = decidingMembers(members)
  const memberValue = (key: string) => parseSpan(bytes, deciding.get(key))
  const stream = memberValue('stream_id')
  const lane = typeof stream === 'string' && stream.length <= maxLaneName ? stream : ''
  const isPrewarm = memberValue('generate') === false
  if (memberValue('type') !== 'response.create') return { text, bytes, lane, isPrewarm }
  const read = await runInStretches(readHints(bytes), pause)
  // Refuses what is not relayed; nothing is added to a message.
  dialect.adapt?.(bytes, read)
  return { text, bytes, lane, isPrewarm, hints: { ...read, stream: true } }
}

/** Names that differ only in case count as the same, since some upstreams ignore the case. */
function decidingMembers(members: JsonChild[]): ReadonlyMap<string, JsonChild> {
  const found = new Map<string, JsonChild>()
  for (const member of members) {
    const name = member.key?.toLowerCase() ?? ''
    if (!decisive.has(name)) continue
    if (found.has(name)) {
      throw new GatewayError('duplicate_field', `The field "${name}" occurs more than once`)
    }
    found.set(name, member)
  }
  return found
}
