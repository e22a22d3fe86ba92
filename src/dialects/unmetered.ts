/** Dialects of operations that are not charged: the same envelope, and answers without usage. */
import { noUsage } from '../domain/usage.ts'
import type { Dialect, UsageReader } from './dialect.ts'

/**
 * The dialect for answers that are not metered.
 * @param isAnswer whether a JSON body is one.
 */
export function unmetered(dialect: Dialect, isAnswer: (body: object) => boolean): Dialect {
  const { id, headerRules, errorResponse, errorEvent, refusalEvent } = dialect
  const createUsageReader = () => reader(isAnswer)
  return { id, headerRules, errorResponse, errorEvent, refusalEvent, createUsageReader }
}

function reader(isAnswer: (body: object) => boolean): UsageReader {
  return {
    event: () => 'content',
    answer: (body) => typeof body === 'object' && body !== null && isAnswer(body),
    state: () => 'complete',
    failure: () => undefined,
    total: () => ({ usage: noUsage, estimated: false }),
  }
}

/** The answer of both vendors to a request that counts tokens. */
export const isTokenCount = (body: object): boolean =>
  'input_tokens' in body && typeof body.input_tokens === 'number'

/** Any object that is no error. */
export const isNoError = (body: object): boolean => !('error' in body && body.error)
