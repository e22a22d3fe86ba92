/** Answers that are one document, and what each means once it is there. */

/**
 * The reason of the account's failure; else the answer itself, the caller's own fault, or a refusal that
 * is shown only when all accounts refuse so.
 */
export type Meaning = 'answer' | 'refusal' | 'refusal here' | { failure: string }

export interface Document {
  status: number
  type: string
  text: (marker: string) => string
  /** When it arrived whole. */
  meaning: Meaning
  /** Tokens that it reports. */
  input?: number
  output?: number
}

const json = (status: number, meaning: Meaning, make: (marker: string) => object): Document => ({
  status,
  type: 'application/json',
  text: (marker) => JSON.stringify(make(marker)),
  meaning,
})

const error = (status: number, type: string, meaning: Meaning, sentence = ''): Document =>
  json(status, meaning, (marker) => ({
    type: 'error',
    error: { type, message: `${sentence}${marker} é` },
  }))

const page = (status: number, meaning: Meaning): Document => ({
  status,
  type: 'text/html',
  text: (marker) => `<html><h1>${marker}</h1></html>`,
  meaning,
})

const message = (marker: string) => ({
  type: 'message',
  id: marker,
  content: [{ type: 'text', text: `漢 ${marker}` }],
})
const usage = { input_tokens: 21, output_tokens: 34 }
const answer: Document = {
  ...json(200, 'answer', (marker) => ({ ...message(marker), usage })),
  input: usage.input_tokens,
  output: usage.output_tokens,
}

export const documents: Document[] = [
  ...Array<Document>(8).fill(answer),
  json(200, 'answer', message),
  json(200, { failure: 'bad_answer' }, (marker) => ({ marker })),
  error(200, 'overloaded_error', { failure: 'overloaded' }),
  error(200, 'invalid_request_error', 'refusal'),
  page(200, { failure: 'bad_answer' }),
  page(302, { failure: 'bad_answer' }),
  error(400, 'invalid_request_error', 'refusal'),
  error(
    400,
    'invalid_request_error',
    { failure: 'account_refused' },
    'Your credit balance is too low ',
  ),
  json(400, 'refusal here', (detail) => ({ detail })),
  error(401, 'authentication_error', { failure: 'account_refused' }),
  error(404, 'not_found_error', 'refusal here'),
  error(400, 'overloaded_error', { failure: 'overloaded' }),
  page(404, { failure: 'bad_answer' }),
  page(422, 'refusal here'),
  error(429, 'rate_limit_error', { failure: 'rate_limited' }),
  error(429, 'rate_limit_error', { failure: 'rate_limited' }),
  error(500, 'api_error', { failure: 'server_error' }),
  page(502, { failure: 'server_error' }),
  error(529, 'overloaded_error', { failure: 'overloaded' }),
]

/** What is left of the meaning when only a part arrived, although the answer ended well. */
export function meaningOfPart(status: number): Meaning {
  if (status === 401) return { failure: 'account_refused' }
  if (status === 429) return { failure: 'rate_limited' }
  if (status === 529) return { failure: 'overloaded' }
  if (status >= 500) return { failure: 'server_error' }
  return status < 400 || status === 404 ? { failure: 'bad_answer' } : 'refusal here'
}
