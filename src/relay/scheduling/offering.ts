/** Which accounts have an operation: those that lack it are asked last, and are not taken for sick. */
import type { Operation } from '../../domain/operation.ts'
import type { Offerings } from '../../offerings.ts'
import { isOptional } from '../attempt/lacks-operation.ts'
import type { Outcome } from '../attempt/outcome.ts'
import type { PlannedAccount } from './candidates.ts'

/** Notes what the outcome of an attempt says of its account. */
export function learnOffering(
  offerings: Offerings,
  operation: Operation,
  accountId: string,
  outcome: Outcome,
): void {
  if (!isOptional(operation)) return
  const { kind } = outcome
  if (kind === 'answer' || kind === 'stream') offerings.learn(accountId, operation, true)
  if (kind === 'failure' && outcome.lacksOperation) offerings.learn(accountId, operation, false)
}

/** Lists that were made of others stay the same, so that what is remembered of them is found again. */
const made = new WeakMap<readonly PlannedAccount[], { name: string; list: PlannedAccount[] }>()

/** Those of the accounts that are not known to lack the operation; all of them where each does. */
export function offering(
  offerings: Offerings,
  operation: Operation,
  planned: readonly PlannedAccount[],
): readonly PlannedAccount[] {
  const before = offerings.version
  if (before === 0 || planned.length < 2 || !isOptional(operation)) return planned
  const list = planned.filter(({ account }) => offerings.has(account.id, operation) !== false)
  if (list.length === 0 || list.length === planned.length) return planned
  const name = `${operation} ${offerings.version}`
  const known = made.get(planned)
  if (known?.name === name) return known.list
  made.set(planned, { name, list })
  return list
}
