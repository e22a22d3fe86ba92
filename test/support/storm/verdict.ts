/** The verdict on a storm: everything that should not have been, in words. */
import type { Redis } from '@upstash/redis'
import { checkHealth } from './check-health.ts'
import { checkStore } from './check-ledger.ts'
import { checkRequests, type ExplainedTry } from './check-requests.ts'
import { addressFaults, faultKinds } from './faults.ts'
import { readLog } from './log.ts'
import type { Phase, Stage } from './phase.ts'

export interface Verdict {
  violations: string[]
  tries: ExplainedTry[]
}

/** Judges a storm that is over; nothing may wait to be settled any more. */
export async function judgeStorm(stage: Stage, phases: Phase[], redis: Redis): Promise<Verdict> {
  const { violations, tries } = checkRequests(stage, phases, readLog(stage.log))
  for (const phase of phases) violations.push(...checkHealth(stage, phase, tries))
  violations.push(...(await checkStore(stage, phases, redis)))
  return { violations, tries }
}

/** The kinds of failure that have not occurred. */
export function missingKinds(tries: readonly ExplainedTry[]): string[] {
  const seen = new Set(tries.map(({ kindName }) => kindName))
  const names = [...faultKinds.map(({ name }) => name), ...addressFaults]
  return names.filter((name) => !seen.has(name))
}
