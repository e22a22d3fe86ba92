/** Migrations: bring an older store to the format of this gateway, on any host and in any request. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from './keyspace.ts'
import { toFormat2 } from './migrations/format-2.ts'
import type { Migration } from './migrations/migration.ts'
import { IncompatibleStore, readSchema, type Schema, schemaVersion } from './schema.ts'
import { callScript, defineScript } from './script.ts'

export type { Migration }

/** In the order of their versions. */
const migrations: readonly Migration[] = [toFormat2]

/** Moves the field `schema` on, unless another host has moved it further meanwhile. */
const advance = defineScript({
  keys: [],
  args: { from: 'text', to: 'text' },
  replies: { now: { schema: 'text' } },
  format: 'any',
  lua: `
local schema = stored[1] or '1'
if schema == args.from then
  schema = args.to
  redis.call('HSET', keys.pool, 'schema', schema)
end
return reply.now({ schema = schema })
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
  const move = async (from: string, to: string) =>
    (await callScript(redis, keyspace, advance, { keys: {}, args: { from, to } })).schema
  let now = found
  let hasRun = false
  while (now.isConverting || now.version !== target) {
    const version = now.isConverting ? now.version : now.version + 1
    const step = steps.find(({ to }) => to === version)
    if (version > target || !step) throw new IncompatibleStore(now, target)
    hasRun = true
    const converting = `${version} converting`
    const schema = await move(String(version - 1), converting)
    // Another host has finished this step meanwhile, or more than this one.
    now = readSchema(schema === converting ? await runStep(step) : schema)
  }
  return hasRun

  async function runStep(step: Migration): Promise<string> {
    try {
      await step.run(redis, keyspace)
    } catch (error) {
      if (!(error instanceof IncompatibleStore)) throw error
    }
    return move(`${step.to} converting`, String(step.to))
  }
}
