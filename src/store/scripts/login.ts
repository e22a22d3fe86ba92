/** Throttling of logins: attempts are counted before they are made, so none can be made in parallel. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { time } from '../lua/time.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'

/** Failures in a row that cost nothing yet; the next one doubles the wait each time. */
const freeFailures = 5
/** The same for a site, where other subscribers may be too. */
const freeSiteFailures = 20
const firstWaitMs = 1_000
/** Must be shorter than a counter lives. */
const longestWaitMs = 15 * 60 * 1_000

const begin = defineScript({
  keys: [],
  keyRows: { counters: ['counter'] },
  args: { ttlMs: 'number' },
  argRows: { counted: { freeFailures: 'number' } },
  replies: { begun: { waitMs: 'number' } },
  libraries: [time],
  lua: `
local waitMs = 0
for _, row in ipairs(keys.counters) do
  local untilMs = tonumber(redis.call('HGET', row.counter, 'untilMs') or '0')
  waitMs = math.max(waitMs, untilMs - nowMs)
end
if waitMs > 0 then return reply.begun({ waitMs = waitMs }) end
for i, row in ipairs(keys.counters) do
  local failures = redis.call('HINCRBY', row.counter, 'failures', 1)
  local free = args.counted[i].freeFailures
  if failures >= free then
    local nextMs = ${firstWaitMs} * 2 ^ math.min(failures - free, 30)
    redis.call('HSET', row.counter, 'untilMs', int(nowMs + math.min(nextMs, ${longestWaitMs})))
  end
  redis.call('PEXPIRE', row.counter, int(args.ttlMs))
end
return reply.begun({ waitMs = 0 })
`,
})

/** A success clears the counter of the name; of the others it takes back one. */
const succeed = defineScript({
  keys: ['name'],
  keyRows: { others: ['counter'] },
  args: {},
  replies: { ok: {} },
  lua: `
redis.call('DEL', keys.name)
for _, row in ipairs(keys.others) do
  local failures = tonumber(redis.call('HGET', row.counter, 'failures') or '0')
  if failures > 1 then
    redis.call('HINCRBY', row.counter, 'failures', -1)
    redis.call('HDEL', row.counter, 'untilMs')
  else redis.call('DEL', row.counter) end
end
return reply.ok({})
`,
})

/** Keys of the counters of one login: its name's and, where they are known, its address's and its site's. */
export interface LoginCounters {
  name: string
  address: string | undefined
  site?: string | undefined
}

const othersOf = ({ address, site }: LoginCounters) =>
  [address, site].filter((counter) => counter !== undefined)
const asRows = (counters: string[]) => counters.map((counter) => ({ counter }))

/**
 * Counts one attempt as failed, until `succeedLoginScript` says otherwise.
 * @returns milliseconds to wait; 0 when the attempt may be made. A refused one counts nothing.
 */
export async function beginLoginScript(
  redis: Redis,
  keyspace: Keyspace,
  counters: LoginCounters,
): Promise<number> {
  const counted = [counters.name, ...othersOf(counters)]
  const { waitMs } = await runScript(redis, keyspace, begin, {
    keys: { counters: asRows(counted) },
    args: {
      ttlMs: ttl.failedLoginsMs,
      counted: counted.map((counter) => ({
        freeFailures: counter === counters.site ? freeSiteFailures : freeFailures,
      })),
    },
  })
  return waitMs
}

/** Takes back what `beginLoginScript` counted, and forgets the failures of the name. */
export async function succeedLoginScript(
  redis: Redis,
  keyspace: Keyspace,
  counters: LoginCounters,
): Promise<void> {
  await runScript(redis, keyspace, succeed, {
    keys: { name: counters.name, others: asRows(othersOf(counters)) },
    args: {},
  })
}
