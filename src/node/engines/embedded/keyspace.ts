/** The keys: what is in memory, what is loaded when it is asked for, what a turn has changed. */
import type { Cache } from './cache.ts'
import { fieldSize, type Hash, memberSize } from './contents.ts'
import type { Disk } from './disk.ts'
import {
  type Entry,
  entryOf,
  type HashEntry,
  noteChange,
  noteWritten,
  type SortedSetEntry,
} from './entry.ts'
import { wrongType } from './reply.ts'
import { SortedSet } from './sorted-set.ts'

const SWEEP_EVERY = 64
const SWEEP_LIMIT = 128

/** What commands find and change the data with. */
export interface Store {
  /** The engine's clock; it stands still while a command, a script or a transaction runs. */
  nowMs: number
  /** The live key, or nothing. */
  find(key: string): Entry | undefined
  /** A live key of this type, or nothing. @throws CommandError for one of another type. */
  findString(key: string): string | undefined
  findHash(key: string): HashEntry | undefined
  findSortedSet(key: string): SortedSetEntry | undefined
  /** The same, made empty where there is none. */
  obtainHash(key: string): HashEntry
  obtainSortedSet(key: string): SortedSetEntry
  /** Makes the key this string, whatever it was before. */
  setString(key: string, text: string, expiresAtMs: number | null): void
  /** Writes one field and answers whether it is new. */
  setField(entry: HashEntry, field: string, value: string): boolean
  /** Removes one field and answers whether there was one. */
  removeField(entry: HashEntry, field: string): boolean
  /** Writes one member and answers whether it is new. */
  setMember(entry: SortedSetEntry, member: string, score: number): boolean
  /** Removes one member and answers whether there was one. */
  removeMember(entry: SortedSetEntry, member: string): boolean
  /** Removes the key if its last field or member has gone. */
  removeIfEmpty(entry: HashEntry | SortedSetEntry): void
  expire(entry: Entry, expiresAtMs: number): void
  remove(entry: Entry): void
  /** Removes every key. */
  clear(): void
  /** The names of keys in the file with their rows, which come after this one; some may be gone. */
  names(afterRow: number, limit: number): [rowId: number, key: string][]
}

export interface Keyspace extends Store {
  /** Inside a transaction: writes what has changed since the last time. */
  save(): void
  /** Forgets keys that were not used lately, where memory has too many. */
  trim(): void
  /** Forgets what is in memory, so that what is on disk counts again. */
  discard(): void
}

const isHash = (entry: Entry): entry is HashEntry => entry.contents instanceof Map
const isSortedSet = (entry: Entry): entry is SortedSetEntry => entry.contents instanceof SortedSet

/** @param onChange is called by each change. */
export function createKeyspace(cache: Cache, disk: Disk, onChange: () => void): Keyspace {
  let changed: Entry[] = []
  let removedRows: number[] = []
  let isCleared = false
  let changesSinceSweep = 0

  function entryAt(key: string): Entry {
    const known = cache.get(key)
    if (known !== undefined) return known
    // What is still on disk is about to be removed.
    const entry = isCleared ? entryOf(key) : disk.load(key)
    cache.add(entry)
    return entry
  }

  const isLive = ({ contents, expiresAtMs }: Entry) =>
    contents !== undefined && (expiresAtMs === null || expiresAtMs >= store.nowMs)

  function change(entry: Entry, characters: number) {
    entry.size += characters
    cache.grow(characters)
    if (entry.isChanged) return
    entry.isChanged = true
    changed.push(entry)
    onChange()
  }

  function drop(entry: Entry) {
    if (entry.rowId !== 0) removedRows.push(entry.rowId)
    entry.rowId = 0
    entry.hasRows = false
    entry.contents = undefined
    entry.expiresAtMs = null
    change(entry, -entry.size)
  }

  /** A key that expired and is made again has a new row: nothing of the old one counts any more. */
  function obtain(key: string, make: () => Hash | SortedSet): Entry {
    const entry = entryAt(key)
    if (isLive(entry)) return entry
    if (entry.contents !== undefined) drop(entry)
    entry.contents = make()
    change(entry, 0)
    return entry
  }

  function changeItem(entry: Entry, name: string, characters: number) {
    noteChange(entry, name)
    change(entry, characters)
  }

  /** Where a turn changes more keys, more may have expired: fewer removed than made would pile up. */
  function sweep(changes: number) {
    const limit = Math.max(SWEEP_LIMIT, 2 * changes)
    const { keys, isDone } = disk.sweep(store.nowMs, limit)
    for (const key of keys) cache.delete(key)
    // Where there may be more, the next commit continues with it.
    if (isDone) changesSinceSweep = 0
  }

  const store: Keyspace = {
    nowMs: 0,
    find(key) {
      const entry = entryAt(key)
      return isLive(entry) ? entry : undefined
    },
    findString(key) {
      const contents = store.find(key)?.contents
      if (contents === undefined || typeof contents === 'string') return contents
      throw wrongType()
    },
    findHash(key) {
      const entry = store.find(key)
      if (entry === undefined || isHash(entry)) return entry
      throw wrongType()
    },
    findSortedSet(key) {
      const entry = store.find(key)
      if (entry === undefined || isSortedSet(entry)) return entry
      throw wrongType()
    },
    obtainHash(key) {
      const entry = obtain(key, () => new Map())
      if (isHash(entry)) return entry
      throw wrongType()
    },
    obtainSortedSet(key) {
      const entry = obtain(key, () => new SortedSet())
      if (isSortedSet(entry)) return entry
      throw wrongType()
    },
    setString(key, text, expiresAtMs) {
      const entry = entryAt(key)
      if (typeof entry.contents !== 'string' && entry.contents !== undefined) drop(entry)
      entry.contents = text
      entry.isExpiryChanged ||= entry.expiresAtMs !== expiresAtMs
      entry.expiresAtMs = expiresAtMs
      change(entry, text.length - entry.size)
    },
    setField(entry, field, value) {
      const old = entry.contents.get(field)
      if (old === value) return false
      entry.contents.set(field, value)
      changeItem(entry, field, value.length - (old?.length ?? -field.length))
      return old === undefined
    },
    removeField(entry, field) {
      const old = entry.contents.get(field)
      if (old === undefined) return false
      entry.contents.delete(field)
      changeItem(entry, field, -fieldSize(field, old))
      return true
    },
    setMember(entry, member, score) {
      const old = entry.contents.scoreOf(member)
      if (old === score) return false
      entry.contents.set(member, score)
      changeItem(entry, member, old === undefined ? memberSize(member) : 0)
      return old === undefined
    },
    removeMember(entry, member) {
      if (!entry.contents.delete(member)) return false
      changeItem(entry, member, -memberSize(member))
      return true
    },
    removeIfEmpty(entry) {
      if (entry.contents.size === 0) drop(entry)
    },
    expire(entry, expiresAtMs) {
      if (entry.expiresAtMs === expiresAtMs) return
      entry.expiresAtMs = expiresAtMs
      entry.isExpiryChanged = true
      change(entry, 0)
    },
    remove: drop,
    names: (afterRow, limit) => (isCleared ? [] : disk.names(afterRow, limit)),
    clear() {
      store.discard()
      isCleared = true
      onChange()
    },
    save() {
      if (isCleared) disk.clear()
      isCleared = false
      for (const rowId of removedRows) disk.remove(rowId)
      for (const entry of changed) {
        disk.save(entry)
        noteWritten(entry)
      }
      const changes = changed.length
      changesSinceSweep += changes
      changed = []
      removedRows = []
      if (changesSinceSweep >= SWEEP_EVERY) sweep(changes)
      cache.trim()
    },
    trim() {
      if (changed.length + removedRows.length === 0) cache.trim()
    },
    discard() {
      disk.discard()
      cache.clear()
      changed = []
      removedRows = []
      isCleared = false
    },
  }
  return store
}
