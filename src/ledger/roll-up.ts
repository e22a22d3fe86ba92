/** Rolls up the usage ledger: every hour that has ended becomes part of the sums of hours, days and months. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../store/keyspace.ts'
import { openMark } from '../store/lua/usage.ts'
import { dueHoursScript, rollUpScript, rowsPerCall } from '../store/scripts/roll-up.ts'

/** Hours that one call rolls up at most: those of more than a week. */
const maxHours = 200

/**
 * Rolls up the hours that have ended by the store's clock. It may stop half-way, be repeated, and run on
 * several hosts at once: each row is moved once.
 * @returns how many hours it found.
 * @throws what the engine throws.
 */
export async function rollUp(redis: Redis, keyspace: Keyspace): Promise<number> {
  const due = await dueHoursScript(redis, keyspace, maxHours)
  for (const hourId of due) await rollUpHour(redis, keyspace, hourId)
  return due.length
}

async function rollUpHour(redis: Redis, keyspace: Keyspace, hourId: string): Promise<void> {
  const fields = await redis.hkeys(keyspace.usage.openHour(hourId))
  const rows = fields.filter((field) => field !== openMark)
  let from = 0
  do {
    const some = rows.slice(from, from + rowsPerCall)
    from += rowsPerCall
    await rollUpScript(redis, keyspace, { hourId, rows: some, isLast: from >= rows.length })
  } while (from < rows.length)
}
