/** `settle`: ends a request exactly once: releases its lease, charges it, updates the account's health. */
import type { Redis } from '@upstash/redis'
import type { AccountFailure } from '../../domain/account-failure.ts'
import type { Buckets } from '../../domain/buckets.ts'
import type { Keyspace } from '../keyspace.ts'
import { ttl } from '../keyspace.ts'
import { charge, counters, periodFields } from '../lua/budget.ts'
import { failureArgs, failureFields, health, healthChangeFields } from '../lua/health.ts'
import { chargeLoad, leases, load } from '../lua/load.ts'
import { settleLua } from '../lua/settle.ts'
import { periods, time } from '../lua/time.ts'
import { sumsCodec } from '../records/sums.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'
import type { ReplyOf } from '../script-declaration.ts'

export interface SettleInput {
  ledgerId: string
  poolId: string
  keyId: string
  accountId: string
  model: string
  /** The model in whose ledger it is charged; `other` for one that neither the account nor the price list names. */
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
  /** What the attempt says about the account; undefined says nothing. */
  verdict: 'success' | AccountFailure | undefined
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
    'keyLedger',
    'accountLedger',
    'modelLedger',
    'keyModelLedger',
    'orphanAccountLedger',
    'orphanModelLedger',
    'orphanKeyModelLedger',
  ],
  keyRows: { affinities: ['account'] },
  args: {
    ledgerId: 'text',
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
    hour: 'text',
    month: 'text',
    periods: periodFields,
    hourPruneBefore: 'text',
    dayPruneBefore: 'text',
    quotaDay: 'text',
    keepMs: 'number',
    orphanAccountId: 'text',
    orphanModel: 'text',
    trace: 'text',
    hasName: 'flag',
    affinityMs: 'number',
  },
  replies: {
    charged: { healthChanges: [healthChangeFields] },
    voided: { healthChanges: [healthChangeFields] },
    /** This request had ended before, and nothing changed. */
    duplicate: { healthChanges: [healthChangeFields] },
    /** An orphan of this request was charged to another account or model; to be named as `orphan`. */
    elsewhere: { accountId: 'text', model: 'text' },
  },
  libraries: [time, periods, health, load, chargeLoad, leases, counters, charge, sumsCodec],
  lua: settleLua,
})

type RawReply = ReplyOf<(typeof script)['replies']>
export type SettleReply = Exclude<RawReply, { kind: 'elsewhere' }>

/**
 * Ends the request; safe to repeat. It takes one round trip, and a second one where an orphan has to be
 * taken back from the ledger of another account or model than the settlement names.
 * @throws the engine's error when it cannot answer.
 */
export async function settleScript(
  redis: Redis,
  keyspace: Keyspace,
  input: SettleInput,
): Promise<SettleReply> {
  const reply = await run(redis, keyspace, input, input)
  if (reply.kind !== 'elsewhere') return reply
  const { accountId, model: ledgerModel } = reply
  const corrected = await run(redis, keyspace, input, { accountId, ledgerModel })
  // A receipt leaves the state orphaned only for good.
  return corrected.kind === 'elsewhere' ? { kind: 'duplicate', healthChanges: [] } : corrected
}

/** To which account and model an orphan of the request was charged. */
type Orphan = Pick<SettleInput, 'accountId' | 'ledgerModel'>

function run(
  redis: Redis,
  keyspace: Keyspace,
  input: SettleInput,
  orphan: Orphan,
): Promise<RawReply> {
  const { poolId, keyId, accountId, ledgerModel, verdict, buckets, requestName } = input
  const failure = typeof verdict === 'object' ? verdict : undefined
  const { hour, month, hourPruneBefore, dayPruneBefore } = buckets
  const { ledger } = keyspace
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
      keyLedger: ledger.key(keyId),
      accountLedger: ledger.account(accountId),
      modelLedger: ledger.model(ledgerModel),
      keyModelLedger: ledger.keyModel(keyId, ledgerModel),
      orphanAccountLedger: ledger.account(orphan.accountId),
      orphanModelLedger: ledger.model(orphan.ledgerModel),
      orphanKeyModelLedger: ledger.keyModel(keyId, orphan.ledgerModel),
      affinities: input.issuedAffinities.map((digest) => ({
        account: keyspace.affinity(poolId, keyId, digest),
      })),
    },
    args: {
      ...input,
      member: input.member ?? '',
      verdict: failure ? 'failure' : verdict === 'success' ? 'success' : '',
      failure: failureArgs(failure),
      hour,
      month,
      periods: buckets,
      hourPruneBefore,
      dayPruneBefore,
      orphanAccountId: orphan.accountId,
      orphanModel: orphan.ledgerModel,
      hasName: requestName !== undefined,
      affinityMs: ttl.affinityMs,
    },
  })
}
