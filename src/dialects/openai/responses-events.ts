/** Errors as events of a Responses stream (measured with Codex 0.169: what ends a turn, and what is repeated). */
import type { GatewayError } from '../../errors.ts'
import { parseJson } from '../../json.ts'
import { asObject, isObject } from './counts.ts'
import { formOf } from './errors.ts'

/** Codes of `response.failed` that Codex reads; of these it shows the message of `invalid_prompt`. */
const readCodes = new Set([
  'server_is_overloaded',
  'rate_limit_exceeded',
  'insufficient_quota',
  'context_length_exceeded',
  'invalid_prompt',
])

const event = (fields: Record<string, unknown>): string =>
  `event: ${fields.type}\ndata: ${JSON.stringify(fields)}\n\n`

/** A response that has failed, with this error. */
function failed(id: string, code: string, message: string): string {
  const error = { code: readCodes.has(code) ? code : 'invalid_prompt', message }
  const response = { id, object: 'response', status: 'failed', error, output: [], usage: null }
  return event({ type: 'response.failed', response })
}

/**
 * The gateway's error as an event. One that a repeat would meet again fails the response, so that its
 * message is shown; after any other, such as a broken connection, clients repeat the request.
 */
export function errorEvent(error: GatewayError, requestId: string): string {
  const { code, isFinal, status } = formOf(error)
  const { message } = error
  const isLimit = status === 429 && !isFinal
  if (isFinal || isLimit) return failed(`resp_${requestId}`, code, message)
  return event({ type: 'error', code, message, param: null })
}

/** The JSON body of an upstream's refusal as an event; undefined when it is none. */
export function refusalEvent(body: string): string | undefined {
  const root = parseJson(body)
  if (!isObject(root) || !isObject(root.error)) return undefined
  const { code, message } = asObject(root.error)
  return failed('', String(code ?? ''), String(message ?? 'The upstream refused the request'))
}
