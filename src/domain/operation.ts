/** Operations: what a client asks an account to do, whatever the addresses on both sides are. */

/** `messages`: Anthropic Messages; `responses`: OpenAI Responses. */
export type Operation = 'messages' | 'responses'
