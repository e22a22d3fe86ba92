/** Checks the health records of a phase in which rests ran their course, failure by failure. */
import { type ExplainedTry, groupBy } from './check-requests.ts'
import { type Reason, rateLimitMinutes } from './faults.ts'
import type { Phase, Rest, Stage } from './phase.ts'

const second = 1_000
const minute = 60 * second

/** The first and the longest cooldown of a failure that names no end; it doubles in between. */
const cooldowns: Record<Reason, [firstMs: number, longestMs: number]> = {
  connect_failed: [2 * second, 5 * minute],
  timeout: [2 * second, 5 * minute],
  server_error: [2 * second, 5 * minute],
  bad_answer: [2 * second, 5 * minute],
  overloaded: [15 * second, minute],
  rate_limited: [second, rateLimitMinutes * minute],
  account_refused: [30 * minute, 30 * minute],
}

/** How long the one request that tries an account again keeps others away from it. */
const probeMs = 30_000

/** The account that is well has no record; of the others each record is that of the last failure. */
export function checkHealth(stage: Stage, phase: Phase, tries: ExplainedTry[]): string[] {
  const violations: string[] = []
  const say = (flaw: string) => violations.push(`${phase.name}: ${flaw}`)
  if (phase.rests.get(phase.healthy)?.length !== 0) say('the account that is well has a record')
  if (!phase.isCalm) return violations
  const ids = new Map(phase.orders.map(({ id, family }) => [id, family]))
  const own = tries.filter(({ requestId }) => ids.has(requestId))
  const scopeOf = ({ kind, requestId }: ExplainedTry) =>
    kind?.scope === 'family' ? (ids.get(requestId) ?? '') : 'all'
  const fields = groupBy(own, (tried) => `${tried.account} ${scopeOf(tried)}`)
  for (const name of stage.upstreams.names) {
    for (const rest of phase.rests.get(name) ?? []) {
      const field = `${name} ${rest.models}`
      const probes = own.filter(({ account }) => account === name)
      const flaw = flawOfRecord(rest, fields.get(field) ?? [], probes, stage.slackMs)
      if (flaw !== undefined) say(`${field}: ${flaw}`)
      fields.delete(field)
    }
  }
  for (const field of fields.keys()) say(`${field} failed and has no record`)
  return violations
}

/** How far the moments of a trace may be off, which are sums of rounded times. */
const roundingMs = 20

/**
 * Follows the failures of one record. Those that were told the same end belong to one rest, which
 * one of them has made; the others began before it was.
 * @param probes everything that failed at the account: each may have been the one that tried it again.
 */
function flawOfRecord(
  rest: Rest,
  tries: ExplainedTry[],
  probes: ExplainedTry[],
  slackMs: number,
): string | undefined {
  const isNear = (oneMs: number, otherMs: number) => Math.abs(oneMs - otherMs) <= slackMs
  const isProbes = (untilMs: number) =>
    probes.some(({ begunMs }) => isNear(begunMs + probeMs, untilMs))
  let failures = 0
  let reasons: string[] = []
  let lastUntilMs = 0
  let madeMs = 0
  for (const group of groupBy(tries, ({ cooldownUntilMs }) => String(cooldownUntilMs)).values()) {
    const untilMs = group[0]?.cooldownUntilMs ?? 0
    const fitting = group.filter((tried) => isNear(endOf(tried, failures), untilMs))
    if (fitting.length === 0 && isProbes(untilMs)) continue
    // What fails together is one failure: only an attempt that began later counts again.
    const makers = fitting.filter(({ begunMs }) => begunMs >= madeMs - roundingMs)
    const [maker] = makers
    if (!maker) return `nothing explains ${JSON.stringify(group)} after ${failures} failures`
    const late = group.find(({ begunMs }) => begunMs > maker.endedMs + slackMs)
    if (late) return `${JSON.stringify(late)} did not count although it began later`
    madeMs = maker.endedMs
    failures++
    reasons = makers.map(({ reason }) => reason)
    lastUntilMs = untilMs
  }
  const untilMs = Date.parse(rest.until)
  const isLast = untilMs === lastUntilMs || isProbes(untilMs)
  if (isLast && reasons.includes(rest.reason)) return undefined
  return `${JSON.stringify(rest)}, but the last failure was ${reasons} until ${lastUntilMs}`
}

/** When a failure would end that is counted after so many others. */
function endOf({ endMs, endedMs, reason }: ExplainedTry, failures: number): number {
  if (endMs !== undefined) return endMs
  const [first, longest] = Object.entries(cooldowns).find(([name]) => name === reason)?.[1] ?? [
    0, 0,
  ]
  return endedMs + Math.min(first * 2 ** failures, longest)
}
