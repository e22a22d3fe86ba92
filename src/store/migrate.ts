/** Migrations: bring an older store to the format of this gateway, on any host and in any request. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from './keyspace.ts'
import { IncompatibleStore, type Schema, schemaVersion } from './schema.ts'
import { callScript, defineScript } from './script.ts'

/** Brings a store from format `to - 1` to `to`; safe to run twice, and by several hosts at once. */
export interface Migration {
  to: number
  run(redis: Redis, keyspace: Keyspace): Promise<void>
}

/** In the order of their versions; empty as long as format 1 is the only one. */
const migrations: readonly Migration[] = []

/** Moves the field `schema` on, unless another host has moved it further meanwhile. */
const advance = defineScript({
  keys: [],
  args: { from: 'text', to: 'text' },
  replies: { ok: {} },
  checksFormat: false,
  lua: `
if (stored[1] or '1') == args.from then redis.call('HSET', keys.pool, 'schema', args.to) end
return reply.ok({})
`,
})

/**
 * Converts a store of an older format step by step. A step first marks the store as being converted,
 * which stops every older gateway; it is recorded when it is complete. A host that stops half-way
 * leaves a store that any other can finish.
 * @returns whether anything had to be done.
 * @throws GatewayError `store_incompatible` when the store is newer than this gateway, or no
 * migration leads on from its format.
 */
export async function migrate(
  redis: Redis,
  keyspace: Keyspace,
  found: Schema,
  { target, steps }: { target: number; steps: readonly Migration[] } = {
    target: schemaVersion,
    steps: migrations,
  },
): Promise<boolean> {
  if (found.version > target) throw new IncompatibleStore(found, target)
  const complete = found.isConverting ? found.version - 1 : found.version
  for (let version = complete + 1; version <= target; version++) {
    const step = steps.find(({ to }) => to === version)
    if (!step) throw new IncompatibleStore(found, target)
    const move = (from: string, to: string) =>
      callScript(redis, keyspace, advance, { keys: {}, args: { from, to } })
    await move(String(version - 1), `${version} converting`)
    await step.run(redis, keyspace)
    await move(`${version} converting`, String(version))
  }
  return complete < target
}
