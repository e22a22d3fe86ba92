/** Roster: names the candidates of a request by their places, where there are many. */
import type { Pool } from '../../catalog/catalog.ts'
import type { Gateway } from '../../gateway.ts'
import { toNanoUsdLimit } from '../../money.ts'
import { createRoster, type Roster } from '../../store/lua/candidates.ts'
import { writeRosterScript } from '../../store/scripts/roster.ts'

/** So few candidates are written out: the script would read the whole roster for them. */
const maxWrittenOut = 16
/** Nor is it worth reading where the candidates are fewer than this part of it. */
const leastPart = 0.25

/** One for each pool that this process has read. */
const rosters = new WeakMap<Pool, Roster>()
/** Pools whose roster this process has sent to the store, and those that are known to have it there. */
const sent = new WeakSet<Pool>()
const kept = new WeakSet<Pool>()

function rosterOf(pool: Pool): Roster {
  const known = rosters.get(pool)
  if (known) return known
  const rows = [...pool.accounts.values()].map(({ record }) => ({
    accountId: record.id,
    priority: record.priority,
    maxConcurrency: record.maxConcurrency,
    quotaNanoUsd: toNanoUsdLimit(record.dailyQuota),
  }))
  const roster = createRoster(pool.version, rows)
  rosters.set(pool, roster)
  if (pool.rosterName === roster.name) kept.add(pool)
  return roster
}

/**
 * The roster by which so many candidates of a pool are named; undefined where they are to be written out:
 * they are few, or the store does not have the roster yet. Then it gets it in the background.
 */
export function rosterFor(gateway: Gateway, pool: Pool, count: number): Roster | undefined {
  if (count <= maxWrittenOut || count < leastPart * pool.accounts.size) return undefined
  const roster = rosterOf(pool)
  if (kept.has(pool)) return roster
  if (!sent.has(pool)) {
    sent.add(pool)
    gateway.runtime.defer(keepRoster(gateway, pool, roster))
  }
  return undefined
}

async function keepRoster({ runtime, keyspace }: Gateway, pool: Pool, roster: Roster) {
  const written = { poolVersion: pool.version, roster }
  // Without it requests are only larger; the next process that reads the pool tries again.
  const isKept = await writeRosterScript(runtime.redis, keyspace, written).catch(() => false)
  if (isKept) kept.add(pool)
}
