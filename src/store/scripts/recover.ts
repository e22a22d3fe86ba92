/** `recover`: ends the cooldown of an account at the first sign of an answer, not only at its end. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { health, healthChangeFields } from '../lua/health.ts'
import { time } from '../lua/time.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'
import type { ReplyOf } from '../script-declaration.ts'

const script = defineScript({
  keys: ['request', 'health'],
  args: { generation: 'number', family: 'text' },
  replies: {
    ok: { healthChanges: [healthChangeFields] },
    /** The request has moved on or ended. */
    gone: { healthChanges: [healthChangeFields] },
  },
  libraries: [time, health],
  lua: `
local request = redis.call('HMGET', keys.request, 'state', 'generation', 'account', 'startedMs')
if request[1] ~= 'admitted' or tonumber(request[2]) ~= args.generation then return reply.gone({}) end
recordSuccess(keys, request[3], args.family, tonumber(request[4]))
return reply.ok({ healthChanges = healthChanges })
`,
})

export type RecoverReply = ReplyOf<(typeof script)['replies']>

/**
 * Records that the account which serves this request answers again; for a probe whose answer may go
 * on for minutes. Does nothing once the request has moved on or ended.
 */
export function recoverScript(
  redis: Redis,
  keyspace: Keyspace,
  input: { ledgerId: string; poolId: string; generation: number; family: string },
): Promise<RecoverReply> {
  const { generation, family } = input
  return runScript(redis, keyspace, script, {
    keys: {
      request: keyspace.request(input.ledgerId),
      health: keyspace.health(input.poolId),
    },
    args: { generation, family },
  })
}
