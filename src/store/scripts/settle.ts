/** `settle`: ends a request exactly once: releases its lease, charges it, updates the account's health. */
import type { Redis } from '@upstash/redis'
import type { AccountFailure } from '../../domain/account-failure.ts'
import type { Buckets } from '../../domain/buckets.ts'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { counters } from '../lua/budget.ts'
import { charge } from '../lua/charge.ts'
import { failureArgs, failureFields, health, healthChangeFields } from '../lua/health.ts'
import { chargeLoad, leases, load } from '../lua/load.ts'
import { settleLua } from '../lua/settle.ts'
import { periods, time } from '../lua/time.ts'
import { usage } from '../lua/usage.ts'
import { unknownClient, usageRow } from '../records/usage-row.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'
import type { ReplyOf } from '../script-declaration.ts'

/** What a settlement books beside the request itself, such as an attempt that failed. */
export interface BookedRow {
  /** Empty: it counts for the account, and for no key. */
  keyId: string
  accountId: string
  client: string
  model: string
  /** Packed sums. */
  amounts: string
  /** Counts for the day of the account. */
  costNanoUsd: number
  /** The present day of that account. */
  quotaDay: string
}

export interface SettleInput {
  ledgerId: string
  poolId: string
  keyId: string
  accountId: string
  model: string
  /** The program that sent it, of a bounded set of names. @default `unknown` */
  client?: string
  /** The model under which it is charged; `other` for one that neither the account nor the price list names. */
  ledgerModel: string
  /** Of the model that the account was asked for. */
  family: string
  /** `final` charges; `void` releases and charges nothing; `orphan` charges an expired lease. */
  kind: 'final' | 'void' | 'orphan'
  /** The lease member that expired; only for `orphan`. */
  member?: string
  /** Packed sums to add; ignored for `void`. */
  amounts: string
  costNanoUsd: number
  /** Further rows to book, whether or not the request is charged; none by default. */
  rows?: BookedRow[]
  /** What the attempt says about the account; undefined says nothing. */
  verdict: 'success' | AccountFailure | undefined
  /** The present periods. */
  buckets: Buckets
  /** The present day of the account, which begins at its `quotaResetTime`. */
  quotaDay: string
  /** What came of the request, as JSON; empty where it is not known. */
  trace: string
  /** The client's own name for the request; undefined when it gave none. */
  requestName: string | undefined
  /** Digests of ids in the answer that only this account can serve. */
  issuedAffinities: string[]
  /** How long the marker of the request stays. */
  keepMs: number
}

const script = defineScript({
  keys: [
    'request',
    'counters',
    'keyLeases',
    'leases',
    'load',
    'health',
    'orphans',
    'requestName',
    'openHour',
    'openHours',
  ],
  keyRows: { affinities: ['account'] },
  args: {
    ledgerId: 'text',
    keyId: 'text',
    client: 'text',
    kind: 'text',
    member: 'text',
    accountId: 'text',
    model: 'text',
    ledgerModel: 'text',
    family: 'text',
    amounts: 'text',
    costNanoUsd: 'number',
    verdict: 'text',
    failure: failureFields,
    hour: { id: 'text', startsMs: 'number', endsMs: 'number', timeZone: 'text' },
    periods: { day: 'text', week: 'text', month: 'text' },
    quotaDay: 'text',
    keepMs: 'number',
    trace: 'text',
    hasName: 'flag',
    affinityMs: 'number',
  },
  argRows: {
    rows: {
      row: 'text',
      accountId: 'text',
      amounts: 'text',
      costNanoUsd: 'number',
      quotaDay: 'text',
    },
  },
  replies: {
    charged: { healthChanges: [healthChangeFields] },
    voided: { healthChanges: [healthChangeFields] },
    /** This request had ended before, and nothing changed. */
    duplicate: { healthChanges: [healthChangeFields] },
    /** By the store's clock it is another hour than the one named; nothing changed. */
    otherHour: { nowMs: 'number', healthChanges: [healthChangeFields] },
  },
  libraries: [time, periods, health, load, chargeLoad, leases, counters, usage, charge],
  lua: settleLua,
})

export type SettleReply = ReplyOf<(typeof script)['replies']>

/**
 * Ends the request in one round trip; safe to repeat. It is booked in the hour of `buckets`, if that is
 * the present one of the store; else the answer is `otherHour`, with the time of the store.
 * @throws the engine's error when it cannot answer.
 */
export function settleScript(
  redis: Redis,
  keyspace: Keyspace,
  input: SettleInput,
): Promise<SettleReply> {
  const { poolId, keyId, verdict, buckets, requestName } = input
  const failure = typeof verdict === 'object' ? verdict : undefined
  const { hourId: id, hourStartsMs: startsMs, hourEndsMs: endsMs, timeZone } = buckets
  return runScript(redis, keyspace, script, {
    keys: {
      request: keyspace.request(input.ledgerId),
      counters: keyspace.keyCounters(keyId),
      keyLeases: keyspace.keyLeases(keyId),
      leases: keyspace.poolLeases(poolId),
      load: keyspace.load(poolId),
      health: keyspace.health(poolId),
      orphans: keyspace.orphans,
      requestName: keyspace.requestName(requestName ?? ''),
      openHour: keyspace.usage.openHour(id),
      openHours: keyspace.usage.openHours,
      affinities: input.issuedAffinities.map((digest) => ({
        account: keyspace.affinity(poolId, keyId, digest),
      })),
    },
    args: {
      ...input,
      client: input.client ?? unknownClient,
      member: input.member ?? '',
      verdict: failure ? 'failure' : verdict === 'success' ? 'success' : '',
      failure: failureArgs(failure),
      hour: { id, startsMs, endsMs, timeZone },
      periods: buckets,
      hasName: requestName !== undefined,
      affinityMs: ttl.affinityMs,
      rows: (input.rows ?? []).map((row) => ({
        ...row,
        row: usageRow.encode({ ...row, group: '' }),
      })),
    },
  })
}
