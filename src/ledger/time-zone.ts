/** The time zone in which the usage ledger of a store is kept. */
import type { Redis } from '@upstash/redis'
import { ConfigError } from '../config.ts'
import type { Keyspace } from '../store/keyspace.ts'

/**
 * Days of two zones cannot be told apart later, so a store keeps the zone of its first booking.
 * @throws ConfigError that names the setting where `timeZone` is another one, and what the engine throws.
 */
export async function checkTimeZone(
  redis: Redis,
  keyspace: Keyspace,
  timeZone: string,
): Promise<void> {
  const kept = await redis.hget<string>(keyspace.pool, 'timeZone')
  if (kept === null || kept === timeZone) return
  throw new ConfigError(
    `TIMEZONE: is ${timeZone}, but the usage in this store is kept in ${kept}; set TIMEZONE to ${kept}, or use another store or KEY_PREFIX`,
  )
}
