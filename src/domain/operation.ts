/** Operations: what a client asks an account to do, whatever the addresses on both sides are. */

/**
 * Generations, which are metered, count against every limit, and are charged. `messages`: Anthropic
 * Messages; `responses`, `responses_compact`: OpenAI Responses and their compaction;
 * `chat_completions`: OpenAI Chat Completions.
 */
export type MeteredOperation = 'messages' | 'responses' | 'responses_compact' | 'chat_completions'

/**
 * What vendors do not charge: counting tokens, and `stored_response`, which reads, cancels or deletes a
 * response by its id. No limit of a key counts them.
 */
export type UnmeteredOperation = 'count_tokens' | 'input_tokens' | 'stored_response'

export type Operation = MeteredOperation | UnmeteredOperation

const unmetered: ReadonlySet<Operation> = new Set<UnmeteredOperation>([
  'count_tokens',
  'input_tokens',
  'stored_response',
])

export const isUnmetered = (operation: Operation): operation is UnmeteredOperation =>
  unmetered.has(operation)
