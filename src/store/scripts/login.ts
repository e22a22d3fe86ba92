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
  replies: { begun: { waitMs: 'number', counted: [{ untilMs: 'number' }] } },
  libraries: [time],
  lua: `
local waitMs = 0
for _, row in ipairs(keys.counters) do
  local untilMs = integer(redis.call('HGET', row.counter, 'untilMs')) or 0
  waitMs = math.max(waitMs, math.min(untilMs - nowMs, ${longestWaitMs}))
end
if waitMs > 0 then return reply.begun({ waitMs = waitMs }) end
local counted = {}
for i, row in ipairs(keys.counters) do
  local failures = (integer(redis.call('HGET', row.counter, 'failures')) or 0) + 1
  local untilMs = 0
  redis.call('HSET', row.counter, 'failures', int(failures))
  local free = args.counted[i].freeFailures
  if failures >= free then
    local nextMs = ${firstWaitMs} * 2 ^ math.min(failures - free, 30)
    untilMs = nowMs + math.min(nextMs, ${longestWaitMs})
    redis.call('HSET', row.counter, 'untilMs', int(untilMs))
  end
  counted[i] = { untilMs = untilMs }
  redis.call('PEXPIRE', row.counter, int(args.ttlMs))
end
return reply.begun({ waitMs = 0, counted = counted })
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
  local failures = integer(redis.call('HGET', row.counter, 'failures')) or 0
  if failures > 1 then
    redis.call('HSET', row.counter, 'failures', int(failures - 1))
    redis.call('HDEL', row.counter, 'untilMs')
  else redis.call('DEL', row.counter) end
end
return reply.ok({})
`,
})

/** Takes back what one attempt has counted; a wait that a later one has set stays. */
const takeBack = defineScript({
  keys: [],
  keyRows: { counters: ['counter'] },
  args: {},
  argRows: { counted: { untilMs: 'number' } },
  replies: { ok: {} },
  lua: `
for i, row in ipairs(keys.counters) do
  local record = redis.call('HMGET', row.counter, 'failures', 'untilMs')
  local failures = integer(record[1]) or 0
  if failures > 1 then
    redis.call('HSET', row.counter, 'failures', int(failures - 1))
    if integer(record[2]) == args.counted[i].untilMs then redis.call('HDEL', row.counter, 'untilMs') end
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
const allOf = (counters: LoginCounters) => [counters.name, ...othersOf(counters)]
const asRows = (counters: string[]) => counters.map((counter) => ({ counter }))

/** An attempt that may be made, when `waitMs` is 0; a refused one counts nothing. */
export interface BegunLogin {
  waitMs: number
  /** What each counter was set to, for `takeBackLoginScript`. */
  counted: { untilMs: number }[]
}

/** Counts one attempt as failed, until one of the other scripts says otherwise. */
export async function beginLoginScript(
  redis: Redis,
  keyspace: Keyspace,
  counters: LoginCounters,
): Promise<BegunLogin> {
  const counted = allOf(counters)
  const { waitMs, counted: set } = await runScript(redis, keyspace, begin, {
    keys: { counters: asRows(counted) },
    args: {
      ttlMs: ttl.failedLoginsMs,
      counted: counted.map((counter) => ({
        freeFailures: counter === counters.site ? freeSiteFailures : freeFailures,
      })),
    },
  })
  return { waitMs, counted: set }
}

/** Takes back what `beginLoginScript` counted, for an attempt that told nothing of the password. */
export async function takeBackLoginScript(
  redis: Redis,
  keyspace: Keyspace,
  counters: LoginCounters,
  { counted }: BegunLogin,
): Promise<void> {
  await runScript(redis, keyspace, takeBack, {
    keys: { counters: asRows(allOf(counters)) },
    args: { counted },
  })
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
