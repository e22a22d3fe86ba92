/** The load record of an account: requests in flight, reservations, and what its day has cost. */
import { definePacked } from './packed.ts'

/** The order is format 1 of the store; `day` is empty before the first charge. */
export const load = definePacked('Load', {
  inflight: 'number',
  pickedMs: 'number',
  reservedNanoUsd: 'number',
  day: 'text',
  spentNanoUsd: 'number',
})
export type AccountLoad = NonNullable<ReturnType<typeof load.decode>>

const idle: AccountLoad = {
  inflight: 0,
  pickedMs: 0,
  reservedNanoUsd: 0,
  day: '',
  spentNanoUsd: 0,
}

/** Reads a load record; an absent one, or one of another form, is an idle account's. */
export const decodeLoad = (text: string | null | undefined): AccountLoad =>
  load.decode(text ?? '') ?? idle
