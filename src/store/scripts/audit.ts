/** The audit trail: appended by the very script that makes the change, so that neither goes alone. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { defineScript, runScript } from '../script.ts'

/** Entries kept; the oldest go first. */
const maxEntries = 10_000

/**
 * `audit(key, entry)`: all members have score 0 and begin with a time-ordered id, so the set is in
 * the order of time. An empty entry records nothing.
 */
export const audit = `
local function audit(key, entry)
  if entry == '' then return end
  redis.call('ZADD', key, 0, entry)
  local surplus = redis.call('ZCARD', key) - ${maxEntries}
  if surplus > 0 then redis.call('ZPOPMIN', key, surplus) end
end
`

const append = defineScript(audit, 'audit(KEYS[1], ARGV[1])')

/** Records a change that no catalog script makes. @param entry as `createAuditEntry` packs it. */
export async function auditScript(redis: Redis, keyspace: Keyspace, entry: string): Promise<void> {
  await runScript(redis, append, [keyspace.audit], [entry])
}
