/** `sweep`: reaps expired leases of one platform where no admission comes by to do it. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { load, reap } from '../lua/load.ts'
import { time } from '../lua/shared.ts'
import { defineScript, runScript } from '../script.ts'

const script = defineScript(
  time,
  load,
  reap,
  `
local keys = { leases = KEYS[1], load = KEYS[2], orphans = KEYS[3] }
reap(keys, ARGV[1])
return claim(keys, ARGV[1], tonumber(ARGV[2]))
`,
)

/** Frees up to `limit` expired leases and hands out up to `limit` orphans (lease members) to book. */
export async function sweepScript(
  redis: Redis,
  keyspace: Keyspace,
  input: { platform: string; limit: number },
): Promise<string[]> {
  const { platform, limit } = input
  const keys = [keyspace.platformLeases(platform), keyspace.load(platform), keyspace.orphans]
  return (await runScript(redis, script, keys, [limit, ttl.orphanClaimMs])) as string[]
}
