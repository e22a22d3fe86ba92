/** The routes of the relay: what clients speak at each path, and which accounts serve it. */
import { anthropic } from '../dialects/anthropic.ts'
import type { Dialect } from '../dialects/dialect.ts'
import type { Operation } from '../domain/operation.ts'
import type { PoolId } from '../domain/platform.ts'

/** A path that takes POST requests of clients. */
export interface RelayRoute {
  path: string
  dialect: Dialect
  operation: Operation
  poolId: PoolId
}

const messages = {
  dialect: anthropic,
  operation: 'messages',
  poolId: 'claude-console',
} satisfies Partial<RelayRoute>

export const relayRoutes: readonly RelayRoute[] = [
  { path: '/v1/messages', ...messages },
  { path: '/api/v1/messages', ...messages },
]
