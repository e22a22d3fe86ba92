/** Errors as events of a Chat Completions stream. */
import type { GatewayError } from '../../errors.ts'
import { parseJson } from '../../json.ts'
import { isObject } from './counts.ts'
import { formOf } from './errors.ts'

/** The gateway's error as an event; clients throw it as an error of the API. */
export function errorEvent(error: GatewayError): string {
  const { type, code } = formOf(error)
  return `data: ${JSON.stringify({ error: { message: error.message, type, param: null, code } })}\n\n`
}

/** The JSON body of an upstream's refusal as an event; undefined when it is none. */
export function refusalEvent(body: string): string | undefined {
  const refusal = parseJson(body)
  if (!isObject(refusal) || !isObject(refusal.error)) return undefined
  return `data: ${JSON.stringify({ error: refusal.error })}\n\n`
}
