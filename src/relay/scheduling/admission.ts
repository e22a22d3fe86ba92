/** An admission: a plan that holds a lease on an account, and the record of how it came to it. */
import type { Assignment } from '../../store/scripts/admit.ts'
import type { Plan } from '../plan.ts'
import { noteAffinity, notePassedOver, type Trace } from '../settlement/trace.ts'

export interface Admission extends Omit<Assignment, 'skipped'> {
  plan: Plan
  trace: Trace
}

/** The admission that an assignment stands for; notes in `trace` how it was decided. */
export function admissionOf(plan: Plan, trace: Trace, assignment: Assignment): Admission {
  const { accountId, generation, expiresAtMs, affinity, isProbe, skipped, keyUse } = assignment
  notePassedOver(trace, skipped)
  noteAffinity(trace, affinity)
  return { plan, trace, accountId, generation, expiresAtMs, affinity, isProbe, keyUse }
}
