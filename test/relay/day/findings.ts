/** What a simulated day shows: errors that clients saw, how accounts were treated and came back, the usage ledger. */

import { estimateTokens, noUsage } from '../../../src/domain/usage.ts'
import { quotaDayAt } from '../../../src/ledger/calendar.ts'
import { priceUsage } from '../../../src/ledger/price.ts'
import { probeMs } from '../../../src/relay/admit.ts'
import { modelOf } from './asks.ts'
import type { Seen } from './clients.ts'
import type { Fault } from './faults.ts'
import type { Simulated } from './simulate.ts'
import type { Attempt } from './upstream.ts'
import { type AccountName, accountNames, priorityOf, westQuotaReset } from './world.ts'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/** After 90 seconds of failures a cooldown may have grown to 64 s, and its probe may take 30 s. */
export const aftermathMs = 94 * second

/**
 * Why an error was to be expected: nobody at all could serve, or not the one account of a bound key,
 * or whoever was left had just been given its probe and takes nobody else until that is decided.
 */
export function excuseOf(
  { faults, attempts }: Pick<Simulated, 'faults' | 'attempts'>,
  { ask, endedMs }: Seen,
) {
  const isDuring = ({ fromMs, toMs }: Fault, afterMs: number) =>
    fromMs <= endedMs && endedMs <= toMs + afterMs
  const isDown = faults.some((fault) => fault.account === 'all' && isDuring(fault, aftermathMs))
  if (isDown) return 'everything fails'
  const isBound = ask.key === 'bound'
  const isOwn = faults.some((fault) => fault.account === 'own' && isDuring(fault, 2 * minute))
  if (isBound && isOwn) return 'bound account rests'
  const isTried = attempts.some(
    ({ isProbe, startedMs, decidedMs = endedMs }) =>
      isProbe && startedMs < endedMs && endedMs <= Math.min(decidedMs, startedMs + probeMs),
  )
  return isTried ? 'last account on probation' : undefined
}

/** Attempts that ran into this very fault and failed for it. */
const victims = ({ attempts }: Pick<Simulated, 'attempts'>, fault: Fault, account: AccountName) =>
  attempts.filter(
    (each) => each.account === account && each.fault === fault && each.outcome !== 'complete',
  )

const accountsOf = ({ account }: Fault): AccountName[] =>
  account === 'all' ? [...accountNames] : [account]

/** How often an account was asked in vain, hour by hour of each fault that it suffered. */
export function attemptsInVain(simulated: Simulated) {
  return simulated.faults.flatMap((fault) =>
    accountsOf(fault).map((account) => {
      const failed = victims(simulated, fault, account)
      const hours = Math.ceil((fault.toMs - fault.fromMs) / hour)
      const perHour = Array.from({ length: hours }, (_, i) => {
        const fromMs = fault.fromMs + i * hour
        return failed.filter(({ startedMs }) => startedMs >= fromMs && startedMs < fromMs + hour)
          .length
      })
      return { fault, account, perHour }
    }),
  )
}

/** The pauses between the failures of an account during a fault; those that overlap are one failure. */
export function pauses(simulated: Simulated, fault: Fault, account: AccountName): number[] {
  const found: number[] = []
  let knownMs: number | undefined
  for (const { startedMs, decidedMs = startedMs } of victims(simulated, fault, account)) {
    if (knownMs !== undefined && startedMs <= knownMs) continue
    if (knownMs !== undefined) found.push(startedMs - knownMs)
    knownMs = decidedMs
  }
  return found
}

/** Whether the store was free to choose: no session leads, and no key binds. */
const isFree = ({ ask }: Attempt) => ask.session === undefined && ask.key !== 'bound'

/**
 * Of each fault: how long the account rested beyond its end, when it answered again, and how many
 * that could have gone to it went to a rival that stands no better. Watched until its next fault.
 */
export function recoveries({ faults, attempts, ends }: Simulated) {
  return ends.map(({ fault, account, untilMs, isSpent }) => {
    const { trouble, toMs } = fault
    const family = trouble.kind === 'limited' ? trouble.family : undefined
    const freeMs = Math.max(toMs, untilMs)
    const nextMs = Math.min(
      ...faults.flatMap((each) =>
        each.fromMs >= toMs && (each.account === 'all' || each.account === account)
          ? [each.fromMs]
          : [],
      ),
    )
    const later = attempts.filter(
      ({ startedMs, ask }) =>
        startedMs >= freeMs && startedMs < nextMs && (!family || ask.family === family),
    )
    const index = later.findIndex((each) => each.account === account)
    const rivals = (index < 0 ? later : later.slice(0, index)).filter(
      (each) => isFree(each) && account !== 'own' && isNoBetter(each, account),
    )
    const backMs = later[index]?.startedMs
    return {
      fault,
      account,
      restMs: freeMs - toMs,
      passedOver: isSpent ? 0 : rivals.length,
      waitMs: backMs === undefined ? undefined : backMs - freeMs,
    }
  })
}

/** Whether it went to another account that stands no better: neither in priority nor in load. */
function isNoBetter({ account: rival, inflight }: Attempt, account: AccountName): boolean {
  if (rival === account || priorityOf(rival) < priorityOf(account)) return false
  return (
    priorityOf(rival) > priorityOf(account) || (inflight[account] ?? 0) < (inflight[rival] ?? 0)
  )
}

/** What the usage ledger must say, from what was served: exact where it is whole, else as it is estimated. */
export function expectedLedger({ attempts }: Pick<Simulated, 'attempts'>) {
  const sums = { requests: 0, inputTokens: 0, outputTokens: 0, estimatedRequests: 0 }
  const byDay = new Map<string, number>()
  let dearest = 0
  for (const each of attempts) {
    const { ask, outcome, hasStarted } = each
    const isWhole = outcome === 'complete'
    const isCharged = isWhole || outcome === 'cut' || (outcome === 'dropped' && isLeft(each))
    if (!isCharged) continue
    const seenOutput = Math.max(hasStarted ? 1 : 0, estimateTokens(each.characters))
    const inputTokens = isWhole || hasStarted ? ask.inputTokens : estimateTokens(each.bodyBytes)
    const outputTokens = isWhole ? ask.outputTokens : seenOutput
    sums.requests++
    sums.inputTokens += inputTokens
    sums.outputTokens += outputTokens
    if (!isWhole) sums.estimatedRequests++
    if (each.account !== 'west') continue
    const costNanoUsd = priceOf(each, inputTokens, outputTokens)
    const { day } = quotaDayAt(each.endedMs, 'UTC', westQuotaReset)
    byDay.set(day, (byDay.get(day) ?? 0) + costNanoUsd)
    dearest = Math.max(dearest, costNanoUsd)
  }
  return { sums, west: { byDay, dearest } }
}

/** Whether the client had left when the gateway ended this attempt. */
const isLeft = ({ ask, endedMs }: Attempt) =>
  ask.leavesAfterMs !== undefined && endedMs === ask.atMs + ask.leavesAfterMs

function priceOf({ ask, startedMs }: Attempt, inputTokens: number, outputTokens: number): number {
  const usage = { ...noUsage, inputTokens, outputTokens }
  const model = modelOf(ask)
  const price = priceUsage({ provider: 'anthropic', model, usage, atMs: startedMs })
  return price === 'unpriced' ? Number.NaN : price.costNanoUsd
}

/** How often at most a client was refused after the last rest of a moment in which everything failed. */
export function repeatsInVain({ seen, ends }: Simulated): number[] {
  const last = new Map<Fault, number>()
  for (const { fault, untilMs } of ends) {
    if (fault.account === 'all') last.set(fault, Math.max(last.get(fault) ?? 0, untilMs))
  }
  return [...last].map(([fault, untilMs]) => {
    const late = seen.filter(
      ({ ask, end }) => end === 'refused' && ask.atMs >= untilMs && ask.atMs < fault.toMs + hour,
    )
    return Math.max(
      0,
      ...Object.values(Object.groupBy(late, (each) => each.chain)).map((all) => all?.length ?? 0),
    )
  })
}

/**
 * How often each session changed its account from one attempt to the next; without those that were
 * refused after an attempt, since a session is nowhere but at home again then. A stream that was kept
 * alive meanwhile is refused by an error event, and looks as if it had been cut.
 */
export function movesOf({ seen, watch }: Simulated): Map<string, number> {
  const refused = new Set(
    seen.flatMap(({ end, ask }) => (end === 'refused' || end === 'cut' ? ask.session : [])),
  )
  const counted = [...watch.sessions].filter(([session]) => !refused.has(session))
  return new Map(
    counted.map(([session, past]) => [
      session,
      past.filter(({ account }, i) => i > 0 && account !== past[i - 1]?.account).length,
    ]),
  )
}
