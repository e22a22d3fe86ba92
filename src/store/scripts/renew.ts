/** `renew`: extends the lease of a request that still makes progress. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { time } from '../lua/shared.ts'
import { defineScript, runScript } from '../script.ts'

const script = defineScript(
  time,
  `
local requestKey, keyLeases, leases = KEYS[1], KEYS[2], KEYS[3]
local generation, leaseMs, requestMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local request = redis.call('HMGET', requestKey, 'state', 'generation', 'member')
if request[1] ~= 'admitted' or request[2] ~= generation then return { 'gone' } end
local expiresAtMs = int(nowMs + leaseMs)
-- A reaped lease stays reaped: its account may be serving others in its place.
if not redis.call('ZSCORE', leases, request[3]) then return { 'gone' } end
redis.call('ZADD', leases, expiresAtMs, request[3])
redis.call('ZADD', keyLeases, expiresAtMs, request[3])
redis.call('HSET', requestKey, 'expiresAtMs', expiresAtMs)
redis.call('PEXPIRE', requestKey, int(leaseMs + requestMs))
return { 'ok', expiresAtMs }
`,
)

/**
 * Extends the lease by `leaseMs` from now.
 * @returns the new expiry in milliseconds, or undefined when there is no lease to extend.
 */
export async function renewScript(
  redis: Redis,
  keyspace: Keyspace,
  input: {
    ledgerId: string
    platform: string
    keyId: string
    generation: number
    leaseMs: number
  },
): Promise<number | undefined> {
  const keys = [
    keyspace.request(input.ledgerId),
    keyspace.keyLeases(input.keyId),
    keyspace.platformLeases(input.platform),
  ]
  const args = [input.generation, input.leaseMs, ttl.requestMs]
  const reply = (await runScript(redis, script, keys, args)) as string[]
  return reply[0] === 'ok' ? Number(reply[1]) : undefined
}
