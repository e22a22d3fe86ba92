/** The name of a row in the usage ledger: who asked whom for what. */
import { definePacked } from './packed.ts'

/**
 * The order is format 2 of the store. `keyId` is empty in a row of what an account did for no key,
 * `group` as long as the key had none. `model` comes last, as a name of it may hold `|`.
 */
export const usageRow = definePacked('UsageRow', {
  keyId: 'text',
  accountId: 'text',
  client: 'text',
  group: 'text',
  model: 'text',
})
export type UsageRow = NonNullable<ReturnType<typeof usageRow.decode>>

/** The client of what was charged before clients were told apart, and of orphans. */
export const unknownClient = 'unknown'

/** Lengths of the periods of roll-ups, by what one hash of them holds: the hours of a day, and so on. */
export const scales = ['hours', 'days', 'months'] as const
export type Scale = (typeof scales)[number]

/** What roll-ups sum by, beside the whole (`all`) and the full rows of each key (`key:<id>`). */
export const dimensions = ['key', 'account', 'model', 'client'] as const
export type Dimension = (typeof dimensions)[number]

/** Where the sums of an hour go: per scale the hash, and what names the hour's period inside of it. */
export function placesOf(hourId: string): Record<Scale, { period: string; part: string }> {
  return {
    hours: { period: hourId.slice(0, 10), part: hourId.slice(11) },
    days: { period: hourId.slice(0, 7), part: hourId.slice(8, 10) },
    months: { period: hourId.slice(0, 4), part: hourId.slice(5, 7) },
  }
}

/** A row of one key, as its full roll-ups name it: without the key. */
export const keyRow = definePacked('KeyRow', {
  accountId: 'text',
  client: 'text',
  group: 'text',
  model: 'text',
})
