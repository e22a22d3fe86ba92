/** Bound: requests that only the account can serve which issued what they refer to. */
import { GatewayError } from '../../errors.ts'
import type { Binding } from '../request/session.ts'

/** What is bound, in words, and the field of the request that has it. */
const bound: Record<Binding, { what: string; field: string }> = {
  response: { what: 'response', field: 'previous_response_id' },
  conversation: { what: 'conversation', field: 'conversation' },
  container: { what: 'container', field: 'container' },
  turn: { what: 'turn', field: 'x-codex-turn-state' },
  content: { what: 'encrypted content', field: 'input' },
  file: { what: 'file', field: 'file_id' },
}

const gone = 'is not available to it any more; start a new conversation'
const onSocket = 'is not the one of this WebSocket; open another, or start a new conversation'

/**
 * The answer at once where that account is deleted, switched off, or not one that the key may use.
 * @param isSocket the request came on a socket, which is bridged to one account.
 */
export function issuerGone(binding: Binding = 'response', isSocket = false): GatewayError {
  const { what, field } = bound[binding]
  const message = `The upstream account that issued the ${what} in this request ${isSocket ? onSocket : gone}`
  const code = binding === 'content' ? 'content_issuer_gone' : 'issuer_gone'
  return new GatewayError(code, message, { issues: [{ field, message: `The ${what} is gone` }] })
}
