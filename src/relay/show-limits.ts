/** Shows a client what is left of the limits of its key, as its admission saw them. */
import type { Gateway } from '../gateway.ts'
import type { HeaderFields } from '../http-message.ts'
import { admittedUses } from '../ledger/key-limits.ts'
import type { Admission } from './scheduling/admission.ts'

/** Sets the headers of a successful answer; those of the vendor have been left out before. */
export function showLimits(
  { runtime }: Gateway,
  { plan, keyUse }: Pick<Admission, 'plan' | 'keyUse'>,
  headers: HeaderFields,
): void {
  const { apiKey, dialect } = plan
  if (!keyUse || !dialect.limitHeaders) return
  const nowMs = runtime.now()
  const uses = admittedUses(apiKey, keyUse, nowMs, runtime.config.TIMEZONE)
  if (uses.length === 0) return
  for (const [name, value] of dialect.limitHeaders(uses, nowMs)) headers.set(name, value)
}
