/** What a migration is. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'

/**
 * Brings a store from format `to - 1` to `to`; safe to run twice, and by several hosts at once. Its
 * scripts have the format `<to> converting`, so that a slow host does nothing to a store that another
 * host has already converted.
 */
export interface Migration {
  to: number
  run(redis: Redis, keyspace: Keyspace): Promise<void>
}
