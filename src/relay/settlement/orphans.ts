/** Orphans: requests whose process ended without settling them. Other requests find their expired leases and settle them. */
import type { PoolId } from '../../domain/platform.ts'
import type { Gateway } from '../../gateway.ts'
import { bucketsAt, quotaDayAt } from '../../ledger/calendar.ts'
import { ledgerModel, orphanedSums, otherModels } from '../../ledger/ledger.ts'
import { ttl } from '../../store/keyspace.ts'
import { type Lease, lease } from '../../store/records/lease.ts'
import { packSums } from '../../store/records/sums.ts'
import { sweepScript } from '../../store/scripts/sweep.ts'
import { deliver, fromJournal, readJournal } from './deliver.ts'

/** Settles orphans, from the lease members that a script handed out. One that fails is left to a later call. */
export async function settleOrphans(gateway: Gateway, members: string[]): Promise<void> {
  for (const member of members) {
    const held = lease.decode(member)
    if (!held) {
      gateway.runtime.observe({ type: 'orphan_unreadable', member: member.slice(0, 200) })
      continue
    }
    try {
      await settleOrphan(gateway, member, held)
    } catch (error) {
      const { ledgerId } = held
      gateway.runtime.observe({ type: 'settlement_delayed', ledgerId, kind: 'orphan', error })
    }
  }
}

async function settleOrphan(gateway: Gateway, member: string, held: Lease): Promise<void> {
  const { runtime } = gateway
  const { ledgerId, poolId, keyId, accountId, reservationNanoUsd, family, model } = held
  // Its receipt may be on this very disk, waiting for the store.
  const receipt = fromJournal(readJournal(gateway, ledgerId) ?? '')
  if (receipt) return deliver(gateway, receipt)
  runtime.observe({ type: 'orphaned_request', ledgerId, keyId, accountId })
  await deliver(gateway, {
    ledgerId,
    poolId,
    keyId,
    accountId,
    model,
    ledgerModel: await ledgerModelOf(gateway, accountId, model),
    kind: 'orphan',
    member,
    amounts: packSums(orphanedSums(reservationNanoUsd)),
    costNanoUsd: reservationNanoUsd,
    family,
    verdict: undefined,
    buckets: bucketsAt(runtime.now(), runtime.config.TIMEZONE),
    quotaDay: await quotaDayOf(gateway, accountId),
    trace: '',
    requestName: undefined,
    issuedAffinities: [],
    keepMs: ttl.requestMs,
  })
}

async function ledgerModelOf(
  { catalog, pricer, platforms, runtime }: Gateway,
  accountId: string,
  model: string,
): Promise<string> {
  const account = (await catalog.currentPool()).accounts.get(accountId)?.record
  if (!account) return otherModels
  const { priceProvider: provider } = platforms.platformOf(account)
  const isPriced = pricer.hasPrice({ provider, model, account, atMs: runtime.now() })
  return ledgerModel(model, account, isPriced)
}

/** The present day of an account; of a deleted one, the calendar's. */
async function quotaDayOf({ catalog, runtime }: Gateway, accountId: string): Promise<string> {
  const account = (await catalog.currentPool()).accounts.get(accountId)?.record
  const { now, config } = runtime
  return quotaDayAt(now(), config.TIMEZONE, account?.quotaResetTime ?? '00:00').day
}

/** Settles every expired lease of a pool; for the start, and before the usage ledger is read. */
export async function sweep(gateway: Gateway, poolId: PoolId): Promise<void> {
  const limit = 100
  for (;;) {
    const members = await sweepScript(gateway.runtime.redis, gateway.keyspace, {
      poolId,
      limit,
    })
    await settleOrphans(gateway, members)
    if (members.length < limit) return
  }
}
