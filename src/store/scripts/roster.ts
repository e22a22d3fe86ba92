/** Keeps the roster of the accounts in the pool's hash. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { type Roster, rosterField } from '../lua/candidates.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'

const script = defineScript({
  keys: [],
  args: { poolVersion: 'text', roster: 'text' },
  replies: { ok: {}, stale: {} },
  lua: `
if (stored[2] or '0') ~= args.poolVersion then return reply.stale({}) end
redis.call('HSET', keys.pool, '${rosterField}', args.roster)
return reply.ok({})
`,
})

/** Writes the roster of a pool. @returns false when the pool has another version by now. */
export async function writeRosterScript(
  redis: Redis,
  keyspace: Keyspace,
  { poolVersion, roster }: { poolVersion: string; roster: Roster },
): Promise<boolean> {
  const text = `${roster.name}${roster.rows}`
  const args = { poolVersion, roster: text }
  return (await runScript(redis, keyspace, script, { keys: {}, args })).kind === 'ok'
}
