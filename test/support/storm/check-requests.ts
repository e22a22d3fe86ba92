/** Checks every request of a storm by three records of it: the client's, the upstream's, the log's. */
import type { FaultKind, Reason } from './faults.ts'
import { type FailedTry, failedTries, type LoggedRequest, type ReadLog } from './log.ts'
import type { Order } from './orders.ts'
import type { Phase, Stage } from './phase.ts'
import type { GivenAnswer } from './upstreams.ts'

/** A failed attempt and what had been done to it. */
export interface ExplainedTry extends FailedTry {
  account: string
  reason: Reason
  kindName: string
  /** Undefined where only the address was at fault. */
  kind: FaultKind | undefined
  /** The end that the failure named. */
  endMs: number | undefined
}

export interface RequestFindings {
  violations: string[]
  tries: ExplainedTry[]
}

export function groupBy<T>(list: readonly T[], nameOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of list) {
    const name = nameOf(item)
    const group = groups.get(name)
    if (group) group.push(item)
    else groups.set(name, [item])
  }
  return groups
}

/** Every request was answered once, by the account that was well, and is charged as it was served. */
export function checkRequests(stage: Stage, phases: Phase[], log: ReadLog): RequestFindings {
  const answers = groupBy(stage.upstreams.answers, ({ requestId }) => requestId)
  const logged = groupBy(log.served, ({ requestId }) => requestId)
  const violations = log.alarms.map((line) => `logged: ${line}`)
  if (stage.upstreams.trapped() > 0) violations.push('a redirect was followed')
  for (const phase of phases) {
    violations.push(...phase.flaws.map((flaw) => `client error: ${flaw}`))
    for (const order of phase.orders) {
      const records = { answers: answers.get(order.id) ?? [], logged: logged.get(order.id) ?? [] }
      const flaw = flawOfRecords(stage, phase, order, records)
      if (flaw !== undefined) violations.push(`${order.id}: ${flaw}`)
    }
  }
  const ordered = new Set(phases.flatMap(({ orders }) => orders.map(({ id }) => id)))
  for (const id of [...answers.keys(), ...logged.keys()]) {
    if (!ordered.has(id)) violations.push(`${id} was never sent`)
  }
  const explained = explainTries(stage, failedTries(log.served))
  return { tries: explained.tries, violations: [...violations, ...explained.violations] }
}

function flawOfRecords(
  stage: Stage,
  { healthy }: Phase,
  order: Order,
  records: { answers: GivenAnswer[]; logged: LoggedRequest[] },
): string | undefined {
  const [answer, second] = records.answers
  const [entry, repeated] = records.logged
  if (!answer || second) return `answered ${records.answers.length} times`
  if (!entry || repeated) return `logged as served ${records.logged.length} times`
  if (!answer.served.completed || answer.account !== healthy) return 'its answer is not whole'
  if (entry.end !== 'complete' || entry.estimated) return `it ended as ${entry.end}, estimated`
  if (entry.keyId !== order.key.id || entry.model !== order.model) return 'charged for another'
  const accountId = stage.accountIds.get(healthy)
  const used = entry.attempts.map((attempt) => attempt.accountId)
  const isLast = used.lastIndexOf(accountId ?? '') === used.length - 1
  if (entry.accountId !== accountId || used.indexOf(accountId) !== used.length - 1 || !isLast) {
    return `served by ${entry.accountId} after ${used}`
  }
  if (new Set(used).size !== used.length) return `an account was asked twice: ${used}`
  const { usage } = answer.served
  const isExact =
    entry.inputTokens === usage?.input_tokens &&
    entry.outputTokens === usage.output_tokens &&
    entry.cacheWrite5mTokens === usage.cache_creation_input_tokens &&
    entry.cacheWrite1hTokens === 0 &&
    entry.cacheReadTokens === usage.cache_read_input_tokens
  return isExact ? undefined : `charged ${JSON.stringify(entry)}, served ${JSON.stringify(usage)}`
}

/** Joins each failed attempt with what was dealt to it: neither may be without the other. */
function explainTries(stage: Stage, tries: FailedTry[]): RequestFindings {
  const names = new Map([...stage.accountIds].map(([name, id]) => [id, name]))
  const { faults } = stage.upstreams
  const dealt = new Map(faults.map((fault) => [`${fault.requestId} ${fault.account}`, fault]))
  const violations: string[] = []
  const explained = tries.flatMap((tried): ExplainedTry[] => {
    const account = names.get(tried.accountId) ?? ''
    const place = `${tried.requestId} ${account}`
    const fault = dealt.get(place)
    dealt.delete(place)
    const expected = fault?.kind.reason ?? 'connect_failed'
    const kindName = fault?.kind.name ?? addressAt(stage, account, tried.begunMs)
    if (kindName === undefined || tried.reason !== expected) {
      violations.push(`${place}: ${tried.reason} (${tried.status}) after ${kindName}`)
      return []
    }
    return [
      { ...tried, reason: expected, account, kindName, kind: fault?.kind, endMs: fault?.endMs },
    ]
  })
  for (const [place, { kind }] of dealt) violations.push(`${place}: ${kind.name} went unnoticed`)
  return { tries: explained, violations }
}

/** The failing address that an attempt of this moment may have gone to. */
function addressAt(
  { placements, slackMs }: Stage,
  account: string,
  atMs: number,
): string | undefined {
  const own = placements.filter((one) => one.account === account && one.atMs <= atMs + slackMs)
  const index = own.findLastIndex(({ address }) => address !== 'live')
  const [place, next] = own.slice(index)
  if (index < 0 || !place) return undefined
  return (next?.doneMs ?? atMs) + slackMs >= atMs ? place.address : undefined
}
