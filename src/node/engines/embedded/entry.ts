/** A key in memory, with what is known of its row on disk. */
import { type Contents, type Hash, sizeOf } from './contents.ts'
import type { SortedSet } from './sorted-set.ts'

export interface Entry {
  readonly key: string
  /** Undefined: there is no such key. */
  contents: Contents | undefined
  expiresAtMs: number | null
  /** Characters in the contents. */
  size: number
  /** The row of the key on disk; 0: it has none. */
  rowId: number
  /** Whether the contents have rows of their own on disk, instead of a place in the row of the key. */
  hasRows: boolean
  /** Whether the row has its contents compressed. */
  isCompressed: boolean
  /** Whether it differs from what is on disk. */
  isChanged: boolean
  /** Whether its expiry has changed. */
  isExpiryChanged: boolean
  /** Which fields or members have changed, where they have rows. */
  changed: Set<string>
}

export type HashEntry = Entry & { contents: Hash }
export type SortedSetEntry = Entry & { contents: SortedSet }

/** Shared by the entries that have not changed, which are most; `noteChange` gives one its own. */
const NOTHING: Set<string> = new Set()

/** A key that is the same in memory and on disk; without contents it is in neither. */
export function entryOf(
  key: string,
  onDisk?: {
    contents: Contents
    expiresAtMs: number | null
    rowId: number
    hasRows: boolean
    isCompressed: boolean
  },
): Entry {
  return {
    key,
    contents: onDisk?.contents,
    expiresAtMs: onDisk?.expiresAtMs ?? null,
    size: onDisk ? sizeOf(onDisk.contents) : 0,
    rowId: onDisk?.rowId ?? 0,
    hasRows: onDisk?.hasRows ?? false,
    isCompressed: onDisk?.isCompressed ?? false,
    isChanged: false,
    isExpiryChanged: false,
    changed: NOTHING,
  }
}

/** Notes a field or member that has changed; only those with rows are written one by one. */
export function noteChange(entry: Entry, name: string): void {
  if (!entry.hasRows) return
  if (entry.changed === NOTHING) entry.changed = new Set()
  entry.changed.add(name)
}

/** Says that the disk has all of the entry now. */
export function noteWritten(entry: Entry): void {
  entry.isChanged = false
  entry.isExpiryChanged = false
  entry.changed = NOTHING
}

const ENTRY_BYTES = 250
const ITEM_BYTES = 80

/** About how many bytes of memory an entry takes. */
export function weightOf({ key, contents, size }: Entry): number {
  const items = contents === undefined || typeof contents === 'string' ? 0 : contents.size
  return ENTRY_BYTES + key.length + size + items * ITEM_BYTES
}
