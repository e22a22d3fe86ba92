/** The gateway's own id of a request. */
import type { HeaderReader } from '../../http-message.ts'
import { newId } from './request-id.ts'

/**
 * The id that the gateway gave the request, or a new one where its client chose the id: that may come
 * twice, and must never merge two requests.
 */
export function ledgerIdOf(
  { headers, requestId }: { headers: HeaderReader; requestId: string },
  nowMs: number,
): string {
  const isOurs = headers.get('x-request-id') !== requestId
  return isOurs ? requestId : newId(nowMs)
}
