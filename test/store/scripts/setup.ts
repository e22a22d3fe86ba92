/** A fresh corner of a store for each test, and the scripts with inputs that a test only has to vary. */

import type { Redis } from '@upstash/redis'
import { afterAll, beforeAll, beforeEach, describe } from 'vitest'
import type { AccountFailure } from '../../../src/domain/account-failure.ts'
import type { Candidate } from '../../../src/domain/candidate.ts'
import { perLimit } from '../../../src/domain/limits.ts'
import { modelFamily } from '../../../src/domain/model-family.ts'
import { type Sums, sumFields } from '../../../src/domain/sums.ts'
import { bucketsAt } from '../../../src/ledger/calendar.ts'
import { rollUp } from '../../../src/ledger/roll-up.ts'
import { readUsage } from '../../../src/ledger/usage.ts'
import { createKeyspace, type Keyspace, ttl } from '../../../src/store/keyspace.ts'
import { decodeHealth } from '../../../src/store/records/health.ts'
import { decodeLoad } from '../../../src/store/records/load.ts'
import { packSums } from '../../../src/store/records/sums.ts'
import type { Dimension } from '../../../src/store/records/usage-row.ts'
import { createRedis } from '../../../src/store/redis.ts'
import { type AdmitInput, admitScript } from '../../../src/store/scripts/admit.ts'
import { leaveQueueScript } from '../../../src/store/scripts/leave-queue.ts'
import { type ReassignInput, reassignScript } from '../../../src/store/scripts/reassign.ts'
import { recoverScript } from '../../../src/store/scripts/recover.ts'
import { renewScript } from '../../../src/store/scripts/renew.ts'
import { type SettleInput, settleScript } from '../../../src/store/scripts/settle.ts'
import { sweepScript } from '../../../src/store/scripts/sweep.ts'
import { openStore, storeNames, type TestStore } from '../stores.ts'

export const poolId = 'claude-console'
export const leaseMs = 10_000

export type Bench = ReturnType<typeof createBench>

/** Runs `body` on every store; `bench()` is new in each test. */
export function describeOnStores(title: string, body: (bench: () => Bench) => void): void {
  describe.each(storeNames)(`${title} on %s`, (name) => {
    let store: TestStore
    let bench: Bench
    let count = 0
    beforeAll(async () => {
      store = await openStore(name)
    })
    afterAll(() => store.engine.close())
    beforeEach(() => {
      bench = createBench(store, `test-${++count}:`)
    })
    body(() => bench)
  })
}

const candidate: Candidate = {
  accountId: 'a',
  priority: 50,
  maxConcurrency: 0,
  family: 'opus',
  quotaNanoUsd: 0,
  quotaDay: '2026-11-22',
  quotaEndsMs: 0,
}

/** Candidates that are all alike unless told otherwise. */
export function accounts(...list: (string | Partial<Candidate>)[]): Candidate[] {
  return list.map((item) => {
    const given = typeof item === 'string' ? { accountId: item } : item
    return { ...candidate, ...given }
  })
}

export const failed = (given: Partial<AccountFailure> = {}): AccountFailure => ({
  reason: 'overloaded',
  scope: 'account',
  untilMs: 0,
  cooldownMs: 1_000,
  maxCooldownMs: 5_000,
  ...given,
})

export const noLimits = perLimit(() => 0)

/** A settlement; of its periods a test may name some, such as the day of a clock that is wrong. */
type GivenSettlement = Partial<Omit<SettleInput, 'buckets'>> & {
  buckets?: Partial<SettleInput['buckets']>
}

type GivenAdmission = Partial<Omit<AdmitInput, 'limits'>> & {
  limits?: Partial<AdmitInput['limits']>
}

/** The scripts on `store`, under keys of their own. */
export function createBench(store: TestStore, prefix: string) {
  const keyspace = createKeyspace(prefix)
  const redis = createRedis(store.engine)
  const settlement = (ledgerId: string, given: GivenSettlement): SettleInput => {
    const costNanoUsd = given.costNanoUsd ?? 40
    return {
      ledgerId,
      poolId,
      keyId: 'key',
      accountId: 'a',
      model: 'opus',
      ledgerModel: given.model ?? 'opus',
      kind: 'final',
      amounts: packSums({ requests: 1, costNanoUsd }),
      costNanoUsd,
      family: modelFamily(given.model ?? 'opus'),
      verdict: undefined,
      quotaDay: '2026-11-22',
      trace: '',
      requestName: undefined,
      issuedAffinities: [],
      keepMs: ttl.requestMs,
      ...given,
      buckets: { ...bucketsAt(store.nowMs(), 'UTC'), ...given.buckets },
    }
  }
  return {
    keyspace,
    redis,
    nowMs: store.nowMs,
    advance: store.advance,

    admit: (ledgerId: string, { limits, ...given }: GivenAdmission = {}) =>
      admitScript(redis, keyspace, {
        poolVersion: '0',
        keyRevision: '0',
        digest: 'digest',
        ledgerId,
        poolId,
        keyId: 'key',
        sessionKey: undefined,
        affinityDigest: undefined,
        hasBoundContent: false,
        model: 'opus',
        family: modelFamily(given.model ?? 'opus'),
        reservationNanoUsd: 100,
        leaseMs,
        probeMs: 3_000,
        warmMs: 60_000,
        windowMs: 0,
        periods: bucketsAt(store.nowMs(), 'UTC'),
        limits: { ...noLimits, ...limits },
        activationMs: 0,
        queue: { ticket: '', ticketMs: 0 },
        candidates: accounts('a'),
        ...given,
      }),
    leaveQueue: (ticket: string) => leaveQueueScript(redis, keyspace, { keyId: 'key', ticket }),
    reassign: (ledgerId: string, given: Partial<ReassignInput> = {}) =>
      reassignScript(redis, keyspace, {
        ledgerId,
        poolId,
        keyId: 'key',
        sessionKey: undefined,
        generation: 1,
        failure: failed(),
        family: 'opus',
        leaseMs,
        probeMs: 3_000,
        warmMs: 60_000,
        onlyAccountCooldown: undefined,
        candidates: accounts('b'),
        ...given,
      }),
    renew: (ledgerId: string) =>
      renewScript(redis, keyspace, { ledgerId, poolId, keyId: 'key', leaseMs }),
    settle: async (ledgerId: string, given: GivenSettlement = {}) =>
      (await settleScript(redis, keyspace, settlement(ledgerId, given))).kind,
    settleFully: (ledgerId: string, given: GivenSettlement = {}) =>
      settleScript(redis, keyspace, settlement(ledgerId, given)),
    sweep: (limit = 10) => sweepScript(redis, keyspace, { poolId, limit }),

    counters: async (keyId = 'key') => row(await redis.hgetall(keyspace.keyCounters(keyId))),
    load: async (accountId: string) =>
      decodeLoad(await redis.hget(keyspace.load(poolId), accountId)),
    inflight: async () => {
      const loads = Object.entries(row(await redis.hgetall(keyspace.load(poolId))))
      return Object.fromEntries(loads.map(([id, load]) => [id, decodeLoad(load).inflight]))
    },
    recover: (ledgerId: string, generation = 1) =>
      recoverScript(redis, keyspace, { ledgerId, poolId, generation, family: 'opus' }),
    /** The records that say something, without what ended ones have left behind. */
    health: async () => {
      const records = Object.entries(row(await redis.hgetall(keyspace.health(poolId))))
      return Object.fromEntries(records.filter(([, packed]) => decodeHealth(packed)))
    },
    request: async (ledgerId: string) => row(await redis.hgetall(keyspace.request(ledgerId))),
    rollUp: () => rollUp(redis, keyspace),
    /** Packed sums of the year by name of a dimension, without those that are zero. */
    usageBy: (dimension: Dimension) => usageBy(redis, keyspace, store.nowMs(), dimension),
    /** Packed sums of single hours, of those in the index and of those that are rolled up. */
    usageByHour: async () => {
      const today = new Date(store.nowMs()).toISOString().slice(0, 10)
      const source = { redis, keyspace, nowMs: store.nowMs(), timeZone: 'UTC' }
      const range = { from: today, to: today, by: [], filter: {} }
      const answer = await readUsage(source, { interval: 'hour', ...range })
      if (answer.kind !== 'usage') throw new Error('It is too wide')
      return Object.fromEntries(answer.rows.map(({ period, sums }) => [period, packSums(sums)]))
    },
    hash: async (hash: string) => row(await redis.hgetall(hash)),
  }
}

/** What the usage ledger holds of the last two years, by one dimension; sums that are zero are left out. */
export async function usageBy(
  redis: Redis,
  keyspace: Keyspace,
  nowMs: number,
  dimension: Dimension,
): Promise<Record<string, string>> {
  const year = new Date(nowMs).getUTCFullYear()
  const answer = await readUsage(
    { redis, keyspace, nowMs, timeZone: 'UTC' },
    {
      interval: 'month',
      from: `${year - 1}-01`,
      to: `${year}-12`,
      by: [dimension],
      filter: {},
    },
  )
  if (answer.kind !== 'usage') throw new Error('It is too wide')
  const sums = new Map<string, Sums>()
  for (const { names, sums: some } of answer.rows) {
    const name = names[dimension] ?? ''
    const known = sums.get(name)
    const added = sumFields.map((field) => [field, (known?.[field] ?? 0) + some[field]] as const)
    sums.set(name, Object.fromEntries(added) as Sums)
  }
  const packed = [...sums].map(([name, it]) => [name, packSums(it)] as const)
  return Object.fromEntries(packed.filter(([, text]) => /[1-9]/.test(text)))
}

/** A flat reply of fields and values as a record. */
export function row(reply: unknown): Record<string, string> {
  const texts = reply as string[]
  const pairs = texts.flatMap((text, i) => (i % 2 === 0 ? [[text, texts[i + 1] ?? '']] : []))
  return Object.fromEntries(pairs) as Record<string, string>
}
