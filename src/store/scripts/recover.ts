/** `recover`: ends the rest of an account at the first sign of life, not only when its answer ends. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { health } from '../lua/health.ts'
import { time } from '../lua/shared.ts'
import { defineScript, runScript } from '../script.ts'

const script = defineScript(
  time,
  health,
  `
local request = redis.call('HMGET', KEYS[1], 'state', 'generation', 'account', 'startedMs')
if request[1] ~= 'admitted' or request[2] ~= ARGV[1] then return 'gone' end
recordSuccess(KEYS[2], request[3], ARGV[2], tonumber(request[4]))
return 'ok'
`,
)

/**
 * Records that the account which serves this request answers again; for a probe whose answer may go
 * on for minutes. Does nothing once the request has moved on or ended.
 */
export async function recoverScript(
  redis: Redis,
  keyspace: Keyspace,
  input: { ledgerId: string; platform: string; generation: number; family: string },
): Promise<void> {
  const keys = [keyspace.request(input.ledgerId), keyspace.health(input.platform)]
  await runScript(redis, script, keys, [input.generation, input.family])
}
