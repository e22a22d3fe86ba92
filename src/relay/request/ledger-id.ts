/** The gateway's own id of a request. */
import { v7 as uuidv7 } from 'uuid'

/**
 * The id that the gateway gave the request, or a new one where its client chose the id: that may come
 * twice, and must never merge two requests.
 */
export function ledgerIdOf(
  { headers, requestId }: { headers: Headers; requestId: string },
  nowMs: number,
): string {
  const isOurs = headers.get('x-request-id') !== requestId
  return isOurs ? requestId : uuidv7({ msecs: nowMs })
}
