/** `renew`: extends the lease of a request that still makes progress. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { time } from '../lua/time.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'

const script = defineScript({
  keys: ['request', 'keyLeases', 'leases'],
  args: { leaseMs: 'number' },
  replies: { ok: { expiresAtMs: 'number' }, gone: {} },
  libraries: [time],
  lua: `
local request = redis.call('HMGET', keys.request, 'state', 'member')
if request[1] ~= 'admitted' then return reply.gone({}) end
local expiresAtMs = int(nowMs + args.leaseMs)
-- A reaped lease stays reaped: its account may be serving others in its place.
if not redis.call('ZSCORE', keys.leases, request[2]) then return reply.gone({}) end
redis.call('ZADD', keys.leases, expiresAtMs, request[2])
redis.call('ZADD', keys.keyLeases, expiresAtMs, request[2])
redis.call('HSET', keys.request, 'expiresAtMs', expiresAtMs)
return reply.ok({ expiresAtMs = expiresAtMs })
`,
})

/**
 * Extends the lease by `leaseMs` from now, on whichever account it is.
 * @returns the new expiry in milliseconds, or undefined when there is no lease to extend.
 */
export async function renewScript(
  redis: Redis,
  keyspace: Keyspace,
  input: {
    ledgerId: string
    poolId: string
    keyId: string
    leaseMs: number
  },
): Promise<number | undefined> {
  const { leaseMs } = input
  const reply = await runScript(redis, keyspace, script, {
    keys: {
      request: keyspace.request(input.ledgerId),
      keyLeases: keyspace.keyLeases(input.keyId),
      leases: keyspace.poolLeases(input.poolId),
    },
    args: { leaseMs },
  })
  return reply.kind === 'ok' ? reply.expiresAtMs : undefined
}
