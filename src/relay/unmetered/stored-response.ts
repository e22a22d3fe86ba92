/** A response that the vendor stores, asked for by its id. */
import { GatewayError } from '../../errors.ts'
import type { HttpRequest } from '../../http-message.ts'
import type { ReceivedRequest } from '../request/client-request.ts'
import { noReferences } from '../request/references.ts'
import { noConversation } from '../request/session.ts'

/** Which response, and what below it. */
export interface StoredResponse {
  id: string
  /** What of it: empty for the response itself, or `/cancel`, `/input_items`. */
  part: string
}

/** Longer than any id; and no id can lead to another path. */
const idForm = /^[\w-]{1,256}$/

/** @throws GatewayError `not_found` for what cannot be an id. */
export function storedResponse(id: string, part: string): StoredResponse {
  if (idForm.test(id)) return { id, part }
  throw new GatewayError('not_found', 'This is not the id of a response')
}

/** A request without a body: nothing of it is read but its address. */
export function withoutBody(
  { headers, url, signal }: HttpRequest,
  requestId: string,
  { id, part }: StoredResponse,
  method: string,
): ReceivedRequest {
  const query = url.indexOf('?')
  const search = query < 0 ? '' : url.slice(query)
  const stream = new URLSearchParams(search).get('stream') === 'true'
  const hints = { model: '', modelStart: 0, modelEnd: 0, stream, maxTokens: undefined }
  const client = {
    requestId,
    method,
    subpath: `/${id}${part}`,
    headers,
    search,
    body: new Uint8Array(),
    hints: { ...hints, references: noReferences, span: () => undefined },
    conversation: noConversation,
    signal,
  }
  return { client, abortClient: () => {}, dropBody: () => {} }
}
