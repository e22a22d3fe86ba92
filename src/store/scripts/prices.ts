/** Writes prices that an administrator has set: fields of the pool, so that every host sees them at its next request. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { audit } from '../lua/audit.ts'
import { bump } from '../lua/bump.ts'
import { time } from '../lua/time.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'

const writePrices = defineScript({
  keys: ['audit'],
  args: { expectedVersion: 'text', entry: 'text' },
  argRows: { prices: { field: 'text', record: 'text' } },
  replies: { ok: {}, conflict: {} },
  libraries: [time, bump, audit],
  lua: `
if (redis.call('HGET', keys.pool, 'version') or '0') ~= args.expectedVersion then return reply.conflict({}) end
for _, price in ipairs(args.prices) do
  if price.record == '' then redis.call('HDEL', keys.pool, price.field)
  else redis.call('HSET', keys.pool, price.field, price.record) end
end
bump(keys)
audit(keys, args.entry)
return reply.ok({})
`,
})

/**
 * Sets or, where `record` is undefined, removes prices, all or none.
 * @param input.expectedVersion of the pool that the change was made from.
 * @param input.prices the fields of the pool's hash, and JSON of each price.
 * @param input.entry packed audit entry.
 */
export async function writePricesScript(
  redis: Redis,
  keyspace: Keyspace,
  input: {
    expectedVersion: string
    prices: { field: string; record: string | undefined }[]
    entry: string
  },
): Promise<'ok' | 'conflict'> {
  const { expectedVersion, entry } = input
  const prices = input.prices.map(({ field, record = '' }) => ({ field, record }))
  const reply = await runScript(redis, keyspace, writePrices, {
    keys: { audit: keyspace.audit },
    args: { expectedVersion, prices, entry },
  })
  return reply.kind
}
