/** The error objects of OpenAI's answers and events. */
import type { UpstreamError } from '../../domain/upstream-error.ts'
import { isObject } from './counts.ts'

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** The fields of an error object that decisions depend on; one of an unexpected type is left out. */
export function errorFields(error: unknown): UpstreamError {
  if (!isObject(error)) return {}
  const { type, code, message, ...others } = error
  // Of an event that is an error itself, `type` says only that.
  const kind = type === 'error' ? undefined : text(type)
  return { ...others, type: kind, code: text(code), message: text(message) }
}
