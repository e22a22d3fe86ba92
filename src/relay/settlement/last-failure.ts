/** The last failure of each account of which its vendor said something, for administrators. */
import { z } from 'zod'
import { type AccountFailure, failureReasons } from '../../domain/account-failure.ts'
import type { Gateway } from '../../gateway.ts'
import { parseJson } from '../../json.ts'
import { ttl } from '../../store/keyspace.ts'

const LastFailure = z.object({
  atMs: z.int(),
  reason: z.enum(failureReasons),
  /** The upstream's; null without an answer. */
  status: z.int().nullable(),
  /** The vendor's sentence, bounded and without secrets. */
  said: z.string(),
})
export type LastFailure = z.infer<typeof LastFailure>

export interface FailedTry {
  failure: AccountFailure
  status: number | null
  said?: string | undefined
}

/**
 * Keeps a failure that the account has to cool down for. In the background, and of each account only
 * some a minute.
 */
export function noteFailure(
  { runtime, keyspace, storedFailures }: Gateway,
  accountId: string,
  { failure, status, said }: FailedTry,
): void {
  if (failure.scope === 'none' || !said || !storedFailures.allows(accountId)) return
  const atMs = runtime.now()
  const record: LastFailure = { atMs, reason: failure.reason, status, said }
  const key = keyspace.lastFailure(accountId)
  // It explains, and nothing depends on it.
  const kept = runtime.redis.set(key, JSON.stringify(record), { px: ttl.lastFailureMs })
  runtime.defer(kept.catch(() => {}))
}

/** The last failure of an account; undefined when there was none lately. */
export async function readLastFailure(
  { runtime, keyspace }: Gateway,
  accountId: string,
): Promise<LastFailure | undefined> {
  const text = await runtime.redis.get<string>(keyspace.lastFailure(accountId))
  return LastFailure.safeParse(parseJson(text ?? '')).data
}

/** What was said of a cooldown that began for `reason`. */
export const saidOf = (last: LastFailure | undefined, reason: string | null): string | undefined =>
  last?.reason === reason ? last?.said : undefined
