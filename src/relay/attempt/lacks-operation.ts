/** Whether an answer says that the account does not have the operation at all, such as Responses on a base for chat only. */
import type { Operation } from '../../domain/operation.ts'
import { sentenceOf } from './vendor-words.ts'

/** Those that an account of a pool may have or not; every account has the only one of another pool. */
const optional: ReadonlySet<Operation> = new Set<Operation>([
  'responses',
  'responses_compact',
  'chat_completions',
])

export const isOptional = (operation: Operation): boolean => optional.has(operation)

/**
 * How servers say that a path is unknown: OpenAI, FastAPI (vLLM, LiteLLM), Express, and relays such as one-api
 * and new-api. Models, responses and files that are unknown are named instead.
 */
const unknownPath =
  /^(Invalid URL|Unknown (path|url|request url|endpoint)|Unrecognized request URL|Cannot POST|Not Found\.?$|Method Not Allowed|No route|(The )?(requested )?(path|endpoint|url|route)\b.{0,200}\bnot (found|supported|exist)|API not implemented)/i

/**
 * @param json the body; undefined where it is no JSON, such as the page of a server.
 * @param isProven the account has answered the operation lately: then a page says nothing of it.
 */
export function lacksOperation(
  { operation, status, isProven }: { operation: Operation; status: number; isProven: boolean },
  json: unknown,
): boolean {
  if (!isOptional(operation)) return false
  if (status === 405 || status === 501) return !isProven
  if (status !== 404) return false
  if (json === undefined) return !isProven
  return unknownPath.test(sentenceOf(json) ?? '')
}
