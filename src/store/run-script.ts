/** Runs a script, and before that converts a store of an older format, on any host and in any request. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from './keyspace.ts'
import { migrate } from './migrate.ts'
import { IncompatibleStore, type Schema } from './schema.ts'
import { callScript } from './script.ts'
import type {
  ArgsOf,
  Fields,
  KeyRows,
  KeysOf,
  Replies,
  ReplyOf,
  Script,
} from './script-declaration.ts'

/**
 * Executes `script` atomically in one round trip; more only where its text is not known yet, or the
 * store has an older format.
 * @param convert brings a store to the format of this gateway; by default `migrate`.
 * @returns the answer, with its fields checked and converted.
 * @throws GatewayError `store_incompatible` when the store has a newer format, and what the engine throws.
 */
export async function runScript<
  Keys extends readonly string[],
  Args extends Fields,
  Answers extends Replies,
  KeyRow extends KeyRows,
  ArgRow extends Readonly<Record<string, Fields>>,
>(
  redis: Redis,
  keyspace: Keyspace,
  script: Script<Keys, Args, Answers, KeyRow, ArgRow>,
  input: { keys: KeysOf<Keys, KeyRow>; args: ArgsOf<Args, ArgRow> },
  convert = (found: Schema): Promise<boolean> => migrate(redis, keyspace, found),
): Promise<ReplyOf<Answers>> {
  try {
    return await callScript(redis, keyspace, script, input)
  } catch (error) {
    if (!(error instanceof IncompatibleStore) || !(await convert(error.found))) throw error
    return callScript(redis, keyspace, script, input)
  }
}
