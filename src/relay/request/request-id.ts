/** The name of a request in answers and logs. */
import { v7 as uuidv7 } from 'uuid'
import { randomBytes } from '../../crypto.ts'
import type { HeaderReader } from '../../http-message.ts'

const maxLength = 128

/** The id that the client gave its request in `x-request-id`, where that is sane, or else a new one. */
export function requestIdOf(headers: HeaderReader, nowMs: number): string {
  const given = headers.get('x-request-id') ?? ''
  return /^[\w=-]+$/.test(given) && given.length <= maxLength ? given : newId(nowMs)
}

/** A new id (RFC 9562 §5.7), which sorts by the time at which it was made. */
export const newId = (nowMs: number): string => uuidv7({ msecs: nowMs, random: randomBytes(16) })
