/** The figures of a storm, as lines of text. */
import { type ExplainedTry, groupBy } from './check-requests.ts'
import type { LoggedRequest, ReadLog } from './log.ts'
import type { Phase, Stage } from './phase.ts'

function percentile(values: number[], percent: number): string {
  const sorted = values.filter(Number.isFinite).toSorted((a, b) => a - b)
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1]?.toFixed(0) ?? '-'
}

const row = (name: string, cells: (string | number)[]) =>
  name.padEnd(42) + cells.map((cell) => String(cell).padStart(10)).join('')

/** What failing over has cost a request: from its first attempt to its last. */
const addedMs = ({ attempts }: LoggedRequest) =>
  (attempts.at(-1)?.afterMs ?? 0) - (attempts[0]?.afterMs ?? 0)

/** Phases, failures by kind, and what became of sessions. */
export function report(
  stage: Stage,
  phases: Phase[],
  log: ReadLog,
  tries: ExplainedTry[],
): string[] {
  const triesOf = groupBy(tries, ({ requestId }) => requestId)
  const logged = new Map(log.served.map((entry) => [entry.requestId, entry]))
  const lines = [
    row('phase', ['requests', 'errors', 'tries/req', 'moved on', 'p50 ms', 'p99 ms', 'req/s']),
  ]
  for (const { name, orders, flaws, seconds } of phases) {
    const entries = orders.flatMap(({ id }) => logged.get(id) ?? [])
    const movedOn = entries.filter(({ attempts }) => attempts.length > 1)
    const atOnce = movedOn.filter(
      ({ requestId }) => !triesOf.get(requestId)?.some(({ kind }) => kind?.waits),
    )
    const attempts = entries.reduce((sum, entry) => sum + entry.attempts.length, 0)
    const added = atOnce.map(addedMs)
    const cells = [
      orders.length,
      flaws.length,
      (attempts / entries.length).toFixed(2),
      movedOn.length,
      percentile(added, 50),
      percentile(added, 99),
      (orders.length / seconds).toFixed(0),
    ]
    lines.push(row(name, cells))
  }
  lines.push(
    'p50 and p99: from the first attempt to the last, where no time-out was waited for',
    '',
  )
  lines.push(...failures(tries), '', ...places(stage, log))
  for (const phase of phases) if (phase.isCalm) lines.push(records(phase))
  return lines
}

/** The health records that a calm phase has left. */
function records({ name, rests }: Phase): string {
  const texts = [...rests].flatMap(([account, own]) =>
    own.map(({ models, reason, until }) => `${account} ${models} ${reason} ${until.slice(11, 23)}`),
  )
  return `records when ${name}: ${texts.join(', ')}`
}

function failures(tries: ExplainedTry[]): string[] {
  const lines = [row('failure', ['times', 'seen ms', 'switch ms', 'p99 ms'])]
  const kinds = [...groupBy(tries, ({ kindName }) => kindName)]
  for (const [name, own] of kinds.toSorted(([, a], [, b]) => b.length - a.length)) {
    const seen = own.map(({ begunMs, endedMs }) => endedMs - begunMs)
    const switches = own.map(({ switchMs }) => switchMs)
    const cells = [percentile(seen, 50), percentile(switches, 50), percentile(switches, 99)]
    lines.push(row(`${name} → ${own[0]?.reason}`, [own.length, ...cells]))
  }
  lines.push(row('all', [tries.length]))
  lines.push('seen: until the gateway knew; switch: from then until the next account was asked')
  return lines
}

function places({ placements }: Stage, { served }: ReadLog): string[] {
  const count = (list: string[]) =>
    [...groupBy(list, (name) => name)].map(([name, own]) => `${name} ${own.length}`).join(', ')
  return [
    `how requests came to the account that served them: ${count(served.map((s) => s.affinity))}`,
    `addresses given to failing accounts: ${count(placements.map(({ address }) => address))}`,
  ]
}
