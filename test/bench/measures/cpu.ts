/** CPU time per request, of the whole process, as a multiple of what the bare proxy takes in the same round. */
import { setTimeout as delay } from 'node:timers/promises'
import { deltas, inTurns, json, median, medianRatio, pace, saturate } from '../load.ts'
import { ask } from '../peers.ts'
import type { Target } from '../targets.ts'

/** Settlements outlive their answers and belong to the cost of the request. */
const settleMs = 150
const connections = 32
const pacedPerSecond = 500
/** Of what the slowest target can serve; beyond it requests would only queue. */
const pacedShare = 0.5

export interface Round {
  cpuMicroseconds: number
  requestsPerSecond: number
}

async function measure(target: Target, run: () => Promise<number[]>): Promise<Round> {
  const before = await ask(target.process, { collect: false })
  const startMs = performance.now()
  const { length: count } = await run()
  const elapsedMs = performance.now() - startMs
  await delay(settleMs)
  const after = await ask(target.process, { collect: false })
  return {
    cpuMicroseconds: (after.cpuMicroseconds - before.cpuMicroseconds) / count,
    requestsPerSecond: (count * 1_000) / elapsedMs,
  }
}

export type Rounds = Map<Target, Round[]>

/** JSON requests, 32 at a time; `around` runs each round. */
export function measureJson(
  targets: readonly Target[],
  { rounds, count }: { rounds: number; count: number },
  around: (target: Target, run: () => Promise<Round>) => Promise<Round> = (_, run) => run(),
): Promise<Rounds> {
  return inTurns(targets, rounds, (target) =>
    around(target, () => measure(target, () => saturate(target, json, { count, connections }))),
  )
}

export function measureStreams(
  targets: readonly Target[],
  { rounds, count }: { rounds: number; count: number },
): Promise<Rounds> {
  return inTurns(targets, rounds, (target) =>
    measure(target, () => saturate(target, deltas, { count, connections })),
  )
}

/** 500 requests a second, or less where the slowest target would be busy with them all the time. */
export async function measurePaced(
  targets: readonly Target[],
  saturated: Rounds,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<{ perSecond: number; results: Rounds }> {
  const slowest = Math.min(
    ...[...saturated.values()].map((each) => median(each.map((round) => round.requestsPerSecond))),
  )
  const perSecond = Math.round(Math.min(pacedPerSecond, slowest * pacedShare))
  const results = await inTurns(targets, rounds, (target) =>
    measure(target, () => pace(target, json, { count: perSecond * seconds, perSecond })),
  )
  return { perSecond, results }
}

/** The median over the rounds of target ÷ baseline; undefined for a target that does not run. */
export function cpuRatio(
  rounds: Rounds,
  target: Target | undefined,
  baseline: Target,
): number | undefined {
  const cpu = (of: Target) => (rounds.get(of) ?? []).map((round) => round.cpuMicroseconds)
  return target && medianRatio(cpu(target), cpu(baseline))
}
