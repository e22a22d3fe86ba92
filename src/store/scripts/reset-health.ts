/** `resetHealth`: ends what an account cools down for, because an administrator says so. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { audit } from '../lua/audit.ts'
import { health, healthChangeFields, healthRows } from '../lua/health.ts'
import { time } from '../lua/time.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'
import type { ReplyOf } from '../script-declaration.ts'

const resetHealth = defineScript({
  keys: ['health', 'audit'],
  args: { accountId: 'text', entry: 'text' },
  argRows: { families: { family: 'text' } },
  replies: { ok: { healthChanges: [healthChangeFields] }, healthy: {} },
  libraries: [time, health, audit],
  lua: `
endHealth(keys, args.accountId, args.families)
if #healthChanges == 0 then return reply.healthy({}) end
audit(keys, args.entry)
return reply.ok({ healthChanges = healthChanges })
`,
})

/**
 * Ends the cooldowns of an account; `healthy`: there was none to end, nor to record.
 * @param input.families of the models that the account may be asked for.
 */
export function resetHealthScript(
  redis: Redis,
  keyspace: Keyspace,
  input: { poolId: string; accountId: string; families: readonly string[]; entry: string },
): Promise<ReplyOf<(typeof resetHealth)['replies']>> {
  const { poolId, accountId, families, entry } = input
  return runScript(redis, keyspace, resetHealth, {
    keys: { health: keyspace.health(poolId), audit: keyspace.audit },
    args: { accountId, entry, families: healthRows(families) },
  })
}
