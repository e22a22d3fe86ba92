/** Which suites a run leaves out: what each kind of suite needs, and whether this run has it. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const needs = ['redis-server', 'workerd', 'processes', 'long runs'] as const

/** What a suite may need besides this process. */
export type Need = (typeof needs)[number]

/** `npm test` sets the lane `quick` (see vitest.config.ts); any other run has no lane and takes all. */
const isQuick = () => process.env.TEST_LANE === 'quick'

const isOnThePath = (program: string) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))

/** Why this run leaves out what has this need; undefined when it does not. */
function reasonToLeaveOut(need: Need): string | undefined {
  if (isQuick()) return '`npm run test:all` runs them'
  if (need === 'redis-server' && !isOnThePath(need)) return `${need} is not on the PATH`
  return undefined
}

/**
 * Whether the suites with this need run, for `describe.runIf(has('redis-server'))`.
 * @throws Error where `REQUIRE_ALL=true` and the machine lacks what they need.
 */
export function has(need: Need): boolean {
  const reason = reasonToLeaveOut(need)
  if (reason !== undefined && !isQuick() && process.env.REQUIRE_ALL === 'true') {
    throw new Error(`REQUIRE_ALL is set, and a suite needs ${need}: ${reason}`)
  }
  return reason === undefined
}

/** One line for each reason, with all that it leaves out. */
export function leftOut(): string[] {
  const reasons = new Map<string, Need[]>()
  for (const need of needs) {
    const reason = reasonToLeaveOut(need)
    if (reason !== undefined) reasons.set(reason, [...(reasons.get(reason) ?? []), need])
  }
  return [...reasons].map(
    ([reason, missing]) => `Left out: suites that need ${missing.join(', ')} (${reason})`,
  )
}
