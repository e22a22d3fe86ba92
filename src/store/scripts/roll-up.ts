/** `roll-up`: moves rows of an hour that has ended into the sums of that hour, of its day and of its month. */
import type { Redis } from '@upstash/redis'
import { type Keyspace, ttl } from '../keyspace.ts'
import { quote } from '../lua/budget.ts'
import { sumsByHash } from '../lua/sums-by-hash.ts'
import { time } from '../lua/time.ts'
import { openMark } from '../lua/usage.ts'
import { sumsCodec } from '../records/sums.ts'
import { dimensions, keyRow, placesOf, type Scale, scales, usageRow } from '../records/usage-row.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'

const day = 24 * 60 * 60 * 1000
/** A hash holds the periods of a longer one, and is kept until the last of them may go. */
const keepMs = { hours: ttl.hourBucketMs + 2 * day, days: ttl.dayBucketMs + 32 * day }

const views = ['all', ...dimensions] as const
type ViewKey = `${Scale}_${(typeof views)[number]}`

/** The keys of all roll-ups but those of single keys. */
const viewKeys = scales.flatMap((scale) => views.map((view): ViewKey => `${scale}_${view}`))

/** Rows that one call moves at most, so that a store serves others in between. */
export const rowsPerCall = 50

const rollUp = defineScript({
  keys: ['openHour', 'openHours', ...viewKeys],
  keyRows: { rows: scales },
  args: {
    hourId: 'text',
    parts: { hours: 'text', days: 'text', months: 'text' },
    keepMs: { hours: 'number', days: 'number' },
    isLast: 'flag',
  },
  argRows: { rows: { row: 'text' } },
  replies: { moved: {} },
  libraries: [time, sumsCodec, usageRow.lua, keyRow.lua, sumsByHash],
  lua: `
local scales = { ${scales.map(quote).join(', ')} }
local dimensions = { ${dimensions.map(quote).join(', ')} }
local rows, moved, expiring = {}, {}, {}
for i, row in ipairs(args.rows) do rows[i] = row.row end
local stored = #rows > 0 and redis.call('HMGET', keys.openHour, unpack(rows)) or {}
for i, row in ipairs(rows) do
  -- Another host may have moved it meanwhile.
  local packed, it = stored[i], readUsageRow(row)
  if packed and it then
    local numbers, count = changesOf(packed, 1)
    local names = { key = it.keyId, account = it.accountId, model = it.model, client = it.client }
    for _, scale in ipairs(scales) do
      local part, keepMs = args.parts[scale], args.keepMs[scale]
      local function add(key, field)
        addTo(key, field, numbers, count)
        expiring[key] = keepMs
      end
      add(keys[scale .. '_all'], part)
      for _, dimension in ipairs(dimensions) do add(keys[scale .. '_' .. dimension], part .. '|' .. names[dimension]) end
      add(keys.rows[i][scale], part .. '|' .. packKeyRow(it))
    end
  end
  if packed then moved[#moved + 1] = row end
end
saveSums()
for key, keepMs in pairs(expiring) do redis.call('PEXPIRE', key, int(keepMs)) end
if #moved > 0 then redis.call('HDEL', keys.openHour, unpack(moved)) end
if args.isLast then
  local left = redis.call('HKEYS', keys.openHour)
  if #left == 0 or (#left == 1 and left[1] == '${openMark}') then
    redis.call('DEL', keys.openHour)
    redis.call('ZREM', keys.openHours, args.hourId)
  end
end
return reply.moved({})
`,
})

const dueHours = defineScript({
  keys: ['openHours'],
  args: { limit: 'number' },
  replies: { due: { hours: 'texts' } },
  libraries: [time],
  lua: `
return reply.due({ hours = redis.call('ZRANGEBYSCORE', keys.openHours, '-inf', int(nowMs), 'LIMIT', 0, args.limit) })
`,
})

/** The hours that have ended by the store's clock and are not rolled up, oldest first. */
export async function dueHoursScript(
  redis: Redis,
  keyspace: Keyspace,
  limit: number,
): Promise<string[]> {
  const { openHours } = keyspace.usage
  const input = { keys: { openHours }, args: { limit } }
  return (await runScript(redis, keyspace, dueHours, input)).hours
}

/**
 * Moves these rows of an hour, at most `rowsPerCall`. A row that is not there any more changes nothing,
 * so it is safe to repeat and to run on several hosts at once.
 * @param isLast whether the hour has no other rows: then it is closed, if it has none by then.
 */
export async function rollUpScript(
  redis: Redis,
  keyspace: Keyspace,
  { hourId, rows, isLast }: { hourId: string; rows: string[]; isLast: boolean },
): Promise<void> {
  const { usage } = keyspace
  const places = placesOf(hourId)
  const name = (scale: Scale, view: string) => usage.rollUp(scale, places[scale].period, view)
  const shared = scales.flatMap((scale) =>
    views.map((view): [ViewKey, string] => [`${scale}_${view}`, name(scale, view)]),
  )
  const { hours, days, months } = places
  await runScript(redis, keyspace, rollUp, {
    keys: {
      openHour: usage.openHour(hourId),
      openHours: usage.openHours,
      ...(Object.fromEntries(shared) as Record<ViewKey, string>),
      rows: rows.map((row) => {
        const view = `key:${usageRow.decode(row)?.keyId ?? ''}`
        return {
          hours: name('hours', view),
          days: name('days', view),
          months: name('months', view),
        }
      }),
    },
    args: {
      hourId,
      parts: { hours: hours.part, days: days.part, months: months.part },
      keepMs,
      isLast,
      rows: rows.map((row) => ({ row })),
    },
  })
}
