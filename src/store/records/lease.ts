/** The member of a lease in its sorted sets: which request holds which reservation on which account. */
import { definePacked } from './packed.ts'

/** The order is format 1 of the store. `model` comes last, as a caller names it and may write `|`. */
export const lease = definePacked('Lease', {
  ledgerId: 'text',
  poolId: 'text',
  keyId: 'text',
  accountId: 'text',
  generation: 'number',
  reservationNanoUsd: 'number',
  family: 'text',
  model: 'text',
})
export type Lease = NonNullable<ReturnType<typeof lease.decode>>
