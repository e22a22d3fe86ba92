/** The routes of the relay: what clients speak at each path, and which accounts serve it. */
import { anthropic } from '../dialects/anthropic/messages.ts'
import type { Dialect } from '../dialects/dialect.ts'
import { openaiChat } from '../dialects/openai/chat.ts'
import { openaiResponses } from '../dialects/openai/responses.ts'
import { isNoError, isTokenCount, unmetered } from '../dialects/unmetered.ts'
import type { Operation } from '../domain/operation.ts'
import type { PoolId } from '../domain/platform.ts'

/** A path that takes requests of clients. */
export interface RelayRoute {
  /** As Hono writes it; `:id` is that of a stored response. By default it takes POST. */
  path: string
  method?: 'GET' | 'DELETE'
  /** It is opened as a WebSocket. */
  isSocket?: true
  /** What of a stored response is asked for. */
  part?: string
  dialect: Dialect
  operation: Operation
  poolId: PoolId
}

/** The bases below which each dialect is served; of all but the first nothing else is told to people. */
const anthropicBases = ['/v1', '/api/v1']
const openaiBases = ['/openai/v1', '/openai', '/v1']

const at = (bases: string[], path: string, served: Omit<RelayRoute, 'path'>): RelayRoute[] =>
  bases.map((base) => ({ path: base + path, ...served }))

const stored = (path: string, served: Pick<RelayRoute, 'method' | 'part'>) =>
  at(openaiBases, `/responses/:id${path}`, {
    dialect: unmetered(openaiResponses, isNoError),
    poolId: 'codex',
    operation: 'stored_response',
    ...served,
  })

const claude = { dialect: anthropic, poolId: 'claude-console' } as const
const responses = { dialect: openaiResponses, poolId: 'codex' } as const
const chat = { dialect: openaiChat, poolId: 'codex' } as const

export const relayRoutes: readonly RelayRoute[] = [
  ...at(anthropicBases, '/messages', { ...claude, operation: 'messages' }),
  ...at(openaiBases, '/responses', { ...responses, operation: 'responses' }),
  ...at(openaiBases, '/responses', {
    ...responses,
    method: 'GET',
    isSocket: true,
    operation: 'responses',
  }),
  ...at(openaiBases, '/responses/compact', { ...responses, operation: 'responses_compact' }),
  ...at(openaiBases, '/chat/completions', { ...chat, operation: 'chat_completions' }),
  ...at(anthropicBases, '/messages/count_tokens', {
    dialect: unmetered(anthropic, isTokenCount),
    poolId: 'claude-console',
    operation: 'count_tokens',
  }),
  ...at(openaiBases, '/responses/input_tokens', {
    dialect: unmetered(openaiResponses, isTokenCount),
    poolId: 'codex',
    operation: 'input_tokens',
  }),
  ...stored('', { method: 'GET' }),
  ...stored('', { method: 'DELETE' }),
  ...stored('/cancel', { part: '/cancel' }),
  ...stored('/input_items', { method: 'GET', part: '/input_items' }),
]
