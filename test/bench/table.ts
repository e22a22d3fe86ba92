/** The table that the benchmark prints: what was measured, against what must and what should be reached. */
import { cpus } from 'node:os'
import { type Goal, type GoalName, goals } from './goals.ts'

/** Measured values by the name of their goal; one that is missing was not measured. */
export type Results = { [name in GoalName]?: number | undefined }

export type Verdict = 'over budget' | 'within' | 'aim reached' | 'not measured'

export interface Row extends Goal {
  name: string
  now: number | undefined
  verdict: Verdict
}

export function judge(results: Results): Row[] {
  return Object.entries(goals).map(([name, goal]) => {
    const now = results[name as GoalName]
    return { name, ...goal, now, verdict: verdictOn(goal, now) }
  })
}

function verdictOn({ must, aim, atLeast = false }: Goal, now: number | undefined): Verdict {
  if (now === undefined) return 'not measured'
  const reaches = (limit: number) => (atLeast ? now >= limit : now <= limit)
  if (!reaches(must)) return 'over budget'
  return aim !== undefined && reaches(aim) ? 'aim reached' : 'within'
}

/** The table as text. */
export function format(rows: readonly Row[]): string {
  const cells = rows.map(({ what, now, must, aim, unit, atLeast, verdict }) => {
    const bound = (limit: number | undefined) =>
      limit === undefined ? '' : `${atLeast ? '≥' : '≤'} ${limit}${unit}`
    const measured = now === undefined ? '-' : `${rounded(now)}${unit}`
    return [what, measured, bound(must), bound(aim), verdict]
  })
  const lines = [['what', 'now', 'must', 'aim', 'verdict'], ...cells]
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  const [head, ...body] = lines.map(
    (line) => `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`,
  )
  return [head, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body].join('\n')
}

function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)
}

/** The kind of machine that the figures belong to. */
export function machine(): string {
  const [first] = cpus()
  return `${first?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores, Node ${process.version}`
}
