/** `sweep`: reaps expired leases of one pool where no admission does it. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { leases, load } from '../lua/load.ts'
import { time } from '../lua/time.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'

const script = defineScript({
  keys: ['leases', 'load', 'orphans'],
  args: { limit: 'number', orphanClaimMs: 'number' },
  replies: { swept: { orphans: 'texts' } },
  libraries: [time, load, leases],
  lua: `
reap(keys, args.limit)
return reply.swept({ orphans = claim(keys, args.limit, args.orphanClaimMs) })
`,
})

/** Reaps up to `limit` expired leases and hands out up to `limit` orphans (lease members) to settle. */
export async function sweepScript(
  redis: Redis,
  keyspace: Keyspace,
  input: { poolId: string; limit: number },
): Promise<string[]> {
  const { poolId, limit } = input
  const { orphans } = await runScript(redis, keyspace, script, {
    keys: {
      leases: keyspace.poolLeases(poolId),
      load: keyspace.load(poolId),
      orphans: keyspace.orphans,
    },
    args: { limit, orphanClaimMs: ttl.orphanClaimMs },
  })
  return orphans
}
