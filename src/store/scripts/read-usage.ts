/** `read-usage`: reads hashes of the usage ledger as they are at one moment, up to a number of bytes. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { time } from '../lua/time.ts'
import { toFields } from '../rows.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'

const script = defineScript({
  keys: ['openHours'],
  keyRows: { hashes: ['hash'] },
  args: { maxBytes: 'number' },
  replies: {
    rows: { counts: 'texts', texts: 'texts', openHours: 'texts' },
    tooLarge: { readable: 'number' },
  },
  libraries: [time],
  lua: `
local counts, texts, bytes = {}, {}, 0
for i, row in ipairs(keys.hashes) do
  local fields = redis.call('HGETALL', row.hash)
  counts[i] = int(#fields)
  for _, text in ipairs(fields) do
    bytes = bytes + #text
    texts[#texts + 1] = text
  end
  if bytes > args.maxBytes then return reply.tooLarge({ readable = i - 1 }) end
end
local openHours = redis.call('ZRANGEBYSCORE', keys.openHours, '-inf', '+inf')
return reply.rows({ counts = counts, texts = texts, openHours = openHours })
`,
})

/** The most that one answer may hold, in bytes of fields and values. */
export const maxAnswerBytes = 2_000_000

/** What hashes of the usage ledger hold. */
export interface UsageHashes {
  /** Fields and values of each hash, in the order in which the hashes were named. */
  hashes: Map<string, string>[]
  /** The hours that are not rolled up yet. */
  openHours: string[]
}

/**
 * Reads these hashes in one round trip, all at the same moment.
 * @returns `readable`, how many of the hashes fit from the first, where all together are too large.
 */
export async function readUsageScript(
  redis: Redis,
  keyspace: Keyspace,
  names: readonly string[],
  maxBytes = maxAnswerBytes,
): Promise<UsageHashes | { readable: number }> {
  const reply = await runScript(redis, keyspace, script, {
    keys: {
      openHours: keyspace.usage.openHours,
      hashes: names.map((hash) => ({ hash })),
    },
    args: { maxBytes },
  })
  if (reply.kind === 'tooLarge') return { readable: reply.readable }
  let from = 0
  const hashes = reply.counts.map((count) => {
    const to = from + Number(count)
    const fields = toFields(reply.texts.slice(from, to))
    from = to
    return fields
  })
  return { hashes, openHours: reply.openHours }
}
