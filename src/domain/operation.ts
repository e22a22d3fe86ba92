/** Operations: what a client asks an account to do, whatever the addresses on both sides are. */

/**
 * `messages`: Anthropic Messages; `responses`, `responses_compact`: OpenAI Responses and their compaction;
 * `chat_completions`: OpenAI Chat Completions.
 */
export type Operation = 'messages' | 'responses' | 'responses_compact' | 'chat_completions'
