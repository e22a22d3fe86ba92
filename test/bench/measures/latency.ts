/** What a target adds to the 99th percentile of the latency of an upstream that takes 20 ms. */
import { inTurns, json, median, percentile, saturate } from '../load.ts'
import { afterQuery } from '../peers.ts'
import type { Target } from '../targets.ts'

const upstreamMs = 20
/** Where the bare proxy adds less, a multiple of it would say nothing. */
const floorMs = 1

/**
 * Keeps `connections` connections busy on each target, `upstream` among them.
 * @returns for each target the median over the rounds of what it adds ÷ what the baseline adds
 */
export async function measureAddedP99(
  targets: readonly Target[],
  { upstream, baseline }: { upstream: Target; baseline: Target },
  { rounds, count, connections }: { rounds: number; count: number; connections: number },
): Promise<Map<Target, number>> {
  const work = { ...json, query: `${afterQuery}${upstreamMs}` }
  const results = await inTurns([upstream, ...targets], rounds, async (target) =>
    percentile(await saturate(target, work, { count, connections }), 99),
  )
  const p99 = (target: Target, round: number) => results.get(target)?.[round] ?? Number.NaN
  const added = (target: Target, round: number) => p99(target, round) - p99(upstream, round)
  const multiple = (target: Target, round: number) =>
    Math.max(0, added(target, round)) / Math.max(floorMs, added(baseline, round))
  const eachRound = [...Array(rounds).keys()]
  return new Map(
    targets.map((target) => [target, median(eachRound.map((round) => multiple(target, round)))]),
  )
}
