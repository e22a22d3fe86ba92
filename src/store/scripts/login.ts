/** Throttling of logins: attempts are counted before they are made, so none can be made in parallel. */
import type { Redis } from '@upstash/redis'
import { ttl } from '../keyspace.ts'
import { time } from '../lua/shared.ts'
import { defineScript, runScript } from '../script.ts'

/** Failures in a row that cost nothing yet; the next one doubles the wait each time. */
const freeFailures = 5
const firstWaitMs = 1_000
/** Must be shorter than a counter lives. */
const longestWaitMs = 15 * 60 * 1_000

const begin = defineScript(
  time,
  `
local waitMs = 0
for _, counter in ipairs(KEYS) do
  local untilMs = tonumber(redis.call('HGET', counter, 'untilMs') or '0')
  waitMs = math.max(waitMs, untilMs - nowMs)
end
if waitMs > 0 then return int(waitMs) end
for _, counter in ipairs(KEYS) do
  local failures = redis.call('HINCRBY', counter, 'failures', 1)
  if failures >= ${freeFailures} then
    local nextMs = ${firstWaitMs} * 2 ^ math.min(failures - ${freeFailures}, 30)
    redis.call('HSET', counter, 'untilMs', int(nowMs + math.min(nextMs, ${longestWaitMs})))
  end
  redis.call('PEXPIRE', counter, ARGV[1])
end
return '0'
`,
)

/** The first counter is the account's, which a success clears; of any other it takes back one. */
const succeed = defineScript(`
redis.call('DEL', KEYS[1])
for index = 2, #KEYS do
  local failures = tonumber(redis.call('HGET', KEYS[index], 'failures') or '0')
  if failures > 1 then
    redis.call('HINCRBY', KEYS[index], 'failures', -1)
    redis.call('HDEL', KEYS[index], 'untilMs')
  else redis.call('DEL', KEYS[index]) end
end
return 'ok'
`)

/**
 * Counts one attempt as failed, until `succeedLoginScript` says otherwise.
 * @param counters keys of the account and, where it is known, of the address.
 * @returns milliseconds to wait; 0 when the attempt may be made. A refused one counts nothing.
 */
export async function beginLoginScript(redis: Redis, counters: string[]): Promise<number> {
  return Number(await runScript(redis, begin, counters, [ttl.failedLoginsMs]))
}

/** Takes back what `beginLoginScript` counted, and forgets the account's failures. */
export async function succeedLoginScript(redis: Redis, counters: string[]): Promise<void> {
  await runScript(redis, succeed, counters, [])
}
