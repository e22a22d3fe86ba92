/** Simulated gateway processes that serve requests over an unreliable network, as the relay would. */

import type { Redis } from '@upstash/redis'
import type { AccountFailure } from '../../src/domain/account-failure.ts'
import { perLimit } from '../../src/domain/limits.ts'
import { modelFamily } from '../../src/domain/model-family.ts'
import { GatewayError } from '../../src/errors.ts'
import { bucketsAt } from '../../src/ledger/calendar.ts'
import { orphanedSums } from '../../src/ledger/ledger.ts'
import { rollUp } from '../../src/ledger/roll-up.ts'
import { createKeyspace, type Keyspace, ttl } from '../../src/store/keyspace.ts'
import { lease } from '../../src/store/records/lease.ts'
import { packSums } from '../../src/store/records/sums.ts'
import { createRedis } from '../../src/store/redis.ts'
import { type AdmitInput, admitScript } from '../../src/store/scripts/admit.ts'
import { type ReassignInput, reassignScript } from '../../src/store/scripts/reassign.ts'
import { renewScript } from '../../src/store/scripts/renew.ts'
import { type SettleInput, settleScript } from '../../src/store/scripts/settle.ts'
import { sweepScript } from '../../src/store/scripts/sweep.ts'
import { createNetwork, type Fault, type Network, type Tape } from './fault-shim.ts'
import type { TestStore } from './stores.ts'

export type Call =
  | { script: 'admit'; input: AdmitInput }
  | { script: 'reassign'; input: ReassignInput }
  | { script: 'renew'; input: Parameters<typeof renewScript>[2] }
  | { script: 'settle'; input: SettleInput }
  | { script: 'sweep'; input: { poolId: string; limit: number } }
  | { script: 'roll-up'; input: undefined }

export const poolIds = ['claude-console', 'codex'] as const
export const keyIds = ['key-a', 'key-b'] as const
export const models = ['opus', 'gpt|5'] as const
export const accountsOf = (poolId: string) => [`${poolId}-1`, `${poolId}-2`, `${poolId}-3`]

export interface World {
  store: TestStore
  startMs: number
  keyspace: Keyspace
  tape: Tape
  network: Network<Call>
  leaseMs: number
  windowMs: number
  /** Limits are fixed for a run, so that every state can be held against them. */
  limits: {
    concurrency: number
    windowRequests: number
    cap: number
    /** What the day of each account may cost. */
    quotaNanoUsd: number
    budgets: { totalCostLimit: number; weeklyOpusCostLimit: number }
  }
  ledgerIds: string[]
  /** Requests at work: the driver wakes each when it likes. */
  sleepers: { process: string; wake(): void }[]
  /** Turns all faults off, for the way to rest. */
  calm: boolean
}

export function createWorld(store: TestStore, prefix: string, tape: Tape, leaseMs: number): World {
  const faults: Fault[] = ['drop-request', 'drop-reply', 'late', 'duplicate']
  const chooseFault = () =>
    !world.calm && tape.chance(30) ? tape.oneOf('none', ...faults) : 'none'
  const world: World = {
    store,
    startMs: store.nowMs(),
    keyspace: createKeyspace(prefix),
    tape,
    network: createNetwork<Call>(store.engine, chooseFault),
    leaseMs,
    windowMs: leaseMs * 4,
    limits: {
      concurrency: tape.pick(4),
      windowRequests: tape.oneOf(0, 3, 6),
      cap: tape.pick(3),
      quotaNanoUsd: tape.oneOf(0, 4_000),
      budgets: {
        totalCostLimit: tape.oneOf(0, 3_000),
        weeklyOpusCostLimit: tape.oneOf(0, 2_000),
      },
    },
    ledgerIds: [],
    sleepers: [],
    calm: false,
  }
  return world
}

/** One request from admission to settlement by `process`, which may die anywhere on the way. */
export async function serve(world: World, process: string): Promise<void> {
  const { tape, keyspace, leaseMs } = world
  const job = createJob(world)
  const { ledgerId, poolId, keyId, sessionKey } = job
  const { reply: admission, failures } = await seekAdmission(world, process, job)
  if (admission?.kind !== 'ok') {
    // An attempt that got no answer may have been admitted, or may yet be; some gateways forget that.
    if (!admission || (failures > 0 && tape.chance(70))) await settle(world, process, job, 'void')
    return
  }
  for (const member of admission.orphans) void settleOrphan(world, process, member)
  let { accountId, generation } = admission
  const tried = [accountId]
  for (let steps = tape.pick(4); steps > 0; steps--) {
    await pause(world, process)
    const lease = { ledgerId, poolId, keyId, leaseMs }
    if (tape.chance(40)) {
      const redis = connect(world, process, { script: 'renew', input: lease })
      await insist(2, () => renewScript(redis, keyspace, lease))
      continue
    }
    // Where no other is left, the accounts that failed are asked again.
    const isAgain = tape.chance(30)
    const candidates = job.candidates.filter((other) => isAgain || !tried.includes(other.accountId))
    const onlyAccountCooldown = { cooldownMs: leaseMs / 16, maxCooldownMs: leaseMs / 8 }
    const failure = failureOf(world)
    const { family, warmMs } = job
    const input = {
      ...lease,
      generation,
      sessionKey,
      failure,
      family,
      warmMs,
      onlyAccountCooldown: tape.oneOf(undefined, onlyAccountCooldown),
      probeMs: leaseMs,
      candidates,
    }
    const redis = connect(world, process, { script: 'reassign', input })
    const { reply } = await insist(2, () => reassignScript(redis, keyspace, input))
    // Without an answer the request may have moved on; what it consumed is charged where it was last seen.
    if (reply?.kind !== 'ok') break
    accountId = reply.accountId
    generation = reply.generation
    tried.push(accountId)
  }
  await pause(world, process)
  // An aborted stream and its last chunk may both try to end the request.
  const ends = [settle(world, process, job, tape.oneOf('final', 'final', 'void'), accountId)]
  if (tape.chance(20))
    ends.push(settle(world, process, job, tape.oneOf('void', 'final'), accountId))
  await Promise.all(ends)
}

/** Asks for admission until it is granted or refused; whoever is to wait may give up without a word. */
async function seekAdmission(world: World, process: string, job: AdmitInput) {
  const ask = (input: AdmitInput) =>
    insist(3, () =>
      admitScript(connect(world, process, { script: 'admit', input }), world.keyspace, input),
    )
  let answer = await ask(job)
  for (let polls = world.tape.pick(5); answer.reply?.kind === 'wait' && polls > 0; polls--) {
    await pause(world, process)
    const queue = { ...job.queue, ticket: answer.reply.ticket }
    const next = await ask({ ...job, queue })
    answer = { ...next, failures: answer.failures + next.failures }
  }
  return answer
}

/** Frees expired leases and settles the orphans it is handed. */
export async function sweep(world: World, process: string, poolId: string): Promise<void> {
  const input = { poolId, limit: 3 }
  const redis = connect(world, process, { script: 'sweep', input })
  const { reply } = await insist(1, () => sweepScript(redis, world.keyspace, input))
  await Promise.all((reply ?? []).map((member) => settleOrphan(world, process, member)))
}

/** Rolls up the hours that have ended, as a host does every hour; several may at once. */
export async function rollUpHours(world: World, process: string): Promise<void> {
  const redis = connect(world, process, { script: 'roll-up', input: undefined })
  await insist(1, () => rollUp(redis, world.keyspace))
}

async function settleOrphan(world: World, process: string, member: string): Promise<void> {
  const held = lease.decode(member)
  if (!held) throw new Error(`Not a lease: ${member}`)
  const { poolId, reservationNanoUsd, generation, ...names } = held
  await insistOnSettling(world, process, {
    ...names,
    ledgerModel: names.model,
    poolId,
    kind: 'orphan',
    member,
    amounts: packSums(orphanedSums(reservationNanoUsd)),
    costNanoUsd: reservationNanoUsd,
    verdict: undefined,
    ...fixedFacts(world),
  })
}

async function settle(
  world: World,
  process: string,
  job: AdmitInput,
  kind: 'final' | 'void',
  accountId = '',
): Promise<void> {
  const { tape } = world
  const { ledgerId, poolId, keyId, model } = job
  const costNanoUsd = tape.pick(5) * 700
  const sums = { requests: 1, outputTokens: tape.pick(9), costNanoUsd }
  await insistOnSettling(world, process, {
    ledgerId,
    poolId,
    keyId,
    accountId,
    model,
    ledgerModel: model,
    kind,
    amounts: packSums(sums),
    costNanoUsd,
    verdict:
      kind === 'void'
        ? undefined
        : tape.oneOf<SettleInput['verdict']>('success', failureOf(world), undefined),
    family: modelFamily(model),
    ...fixedFacts(world),
  })
}

async function insistOnSettling(world: World, process: string, input: SettleInput): Promise<void> {
  await insist(3, async () => {
    if (world.tape.chance(20)) await pause(world, process)
    // The hour is that of the attempt, or the one that the store has by then.
    for (let nowMs = world.store.nowMs(); ; ) {
      const present = { ...input, buckets: bucketsAt(nowMs, 'UTC') }
      const redis = connect(world, process, { script: 'settle', input: present })
      const reply = await settleScript(redis, world.keyspace, present)
      if (reply.kind !== 'otherHour') return reply
      nowMs = reply.nowMs
    }
  })
}

function createJob(world: World): AdmitInput {
  const { tape, limits, ledgerIds } = world
  const ledgerId = `ledger-${ledgerIds.length + 1}`
  ledgerIds.push(ledgerId)
  const poolId = tape.oneOf(...poolIds)
  const model = tape.oneOf(...models)
  const candidates = accountsOf(poolId).map((accountId) => ({
    accountId,
    priority: tape.oneOf(50, 10),
    maxConcurrency: limits.cap,
    family: modelFamily(model),
    quotaNanoUsd: limits.quotaNanoUsd,
    quotaDay: dayOf(world),
    quotaEndsMs: 0,
  }))
  return {
    poolVersion: '0',
    keyRevision: '0',
    digest: 'digest',
    ledgerId,
    poolId,
    keyId: tape.oneOf(...keyIds),
    sessionKey: tape.oneOf(undefined, 'session'),
    affinityDigest: undefined,
    hasBoundContent: false,
    model,
    family: modelFamily(model),
    reservationNanoUsd: tape.oneOf(1_000, 0, 333),
    leaseMs: world.leaseMs,
    probeMs: world.leaseMs,
    warmMs: world.leaseMs,
    windowMs: world.windowMs,
    periods: bucketsAt(world.store.nowMs(), 'UTC'),
    limits: {
      ...perLimit(() => 0),
      ...limits.budgets,
      concurrencyLimit: limits.concurrency,
      rateLimitRequests: limits.windowRequests,
    },
    activationMs: 0,
    queue: { ticket: '', ticketMs: tape.oneOf(world.leaseMs, 0) },
    candidates: candidates.slice(0, tape.oneOf(3, 2, 1)),
  }
}

const dayOf = ({ store }: World) => new Date(store.nowMs()).toISOString().slice(0, 10)

/** What every settlement of the moment says alike. */
const fixedFacts = (world: World) => ({
  buckets: bucketsAt(world.store.nowMs(), 'UTC'),
  quotaDay: dayOf(world),
  trace: '',
  requestName: undefined,
  issuedAffinities: [],
  keepMs: ttl.requestMs,
})

function failureOf(world: World): AccountFailure {
  const { leaseMs, tape, store } = world
  const untilMs = tape.oneOf(0, store.nowMs() + leaseMs)
  const scope = tape.oneOf('account', 'family')
  return { reason: 'overloaded', scope, untilMs, cooldownMs: leaseMs / 4, maxCooldownMs: leaseMs }
}

function connect(world: World, process: string, call: Call): Redis {
  return createRedis(world.network.connect(process, call))
}

function pause(world: World, process: string): Promise<void> {
  return new Promise((wake) => world.sleepers.push({ process, wake }))
}

/** Repeats a call that got no answer. @returns the answer, unless every attempt failed. */
async function insist<Reply>(
  attempts: number,
  attempt: () => Promise<Reply>,
): Promise<{ reply: Reply | undefined; failures: number }> {
  for (let failures = 0; failures < attempts; failures++) {
    try {
      return { reply: await attempt(), failures }
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'store_unavailable')) throw error
    }
  }
  return { reply: undefined, failures: attempts }
}
