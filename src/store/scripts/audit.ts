/** Records a change that no other script makes. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { audit } from '../lua/audit.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'

const append = defineScript({
  keys: ['audit'],
  args: { entry: 'text' },
  replies: { ok: {} },
  libraries: [audit],
  lua: `
audit(keys, args.entry)
return reply.ok({})
`,
})

/** @param entry as `packAuditEntry` makes it. */
export async function auditScript(redis: Redis, keyspace: Keyspace, entry: string): Promise<void> {
  await runScript(redis, keyspace, append, { keys: { audit: keyspace.audit }, args: { entry } })
}
