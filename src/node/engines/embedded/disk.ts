/** Reads keys from the file, and writes back those that have changed. */
import { createCompression } from './compression.ts'
import {
  type Contents,
  HASH,
  type Hash,
  packContents,
  STRING,
  typeOf,
  unpackContents,
  ZSET,
} from './contents.ts'
import type { Database } from './database.ts'
import { type Entry, entryOf, noteWritten } from './entry.ts'
import { SortedSet } from './sorted-set.ts'

/** Contents of more characters than this get a row for each field or member. */
const INLINE_SIZE = 1_024
/** The same for keys that expire: they are written a few times, and then only kept. */
const EXPIRING_INLINE_SIZE = 4_096
/** Longer texts of keys that expire, most of the file, are compressed when they are written again. */
const COMPRESS_SIZE = 200
/** Freed pages are used again; only where they are many, and most of the file, it gets smaller. */
const FREE_PAGES = 128
const FREE_SHARE = 0.2
const VACUUM_PAGES = 64

export interface Disk {
  /** The key as it is in the file; without contents where it is not there. */
  load(key: string): Entry
  /** Inside a transaction: makes the row of a changed key, and those of its contents, as it is. */
  save(entry: Entry): void
  /** Inside a transaction: removes the key with this row, and its contents. */
  remove(rowId: number): void
  /** Inside a transaction: removes everything. */
  clear(): void
  /**
   * Inside a transaction: removes at most `limit` keys that expired before a time, and gives a bounded
   * number of free pages back.
   * @returns the keys, and whether there may be more to do.
   */
  sweep(beforeMs: number, limit: number): { keys: string[]; isDone: boolean }
  /** The names of keys in the file with their rows, which come after this one; some may have expired. */
  names(afterRow: number, limit: number): [rowId: number, key: string][]
  /** Forgets what may have been rolled back. */
  discard(): void
}

type Value = string | Uint8Array | null
type Row = [id: number, type: number, expiresAtMs: number | null, value: Value]

const FIND = 'SELECT id, type, expires_at, value FROM keys WHERE key = ?'
const INSERT = 'INSERT INTO keys (key, type, expires_at, value) VALUES (?, ?, ?, ?)'
const REPLACE = 'UPDATE keys SET expires_at = ?, value = ? WHERE id = ?'
const UPDATE = 'UPDATE keys SET value = ? WHERE id = ?'
const REMOVE = 'DELETE FROM keys WHERE id = ?'
const FIELDS = 'SELECT field, value FROM fields WHERE id = ?'
const MEMBERS = 'SELECT member, value FROM members WHERE id = ?'
const PUT_FIELD = 'INSERT OR REPLACE INTO fields (id, field, value) VALUES (?, ?, ?)'
const PUT_MEMBER = 'INSERT OR REPLACE INTO members (id, member, value) VALUES (?, ?, ?)'
const REMOVE_FIELD = 'DELETE FROM fields WHERE id = ? AND field = ?'
const REMOVE_MEMBER = 'DELETE FROM members WHERE id = ? AND member = ?'
const NAMES = 'SELECT id, key FROM keys WHERE id > ? ORDER BY id LIMIT ?'
const SWEEP = `DELETE FROM keys WHERE id IN
  (SELECT id FROM keys WHERE expires_at < ? ORDER BY expires_at LIMIT ?) RETURNING key`

export function createDisk({ sql }: Pick<Database, 'sql'>): Disk {
  const find = sql<Row>(FIND)
  const insert = sql(INSERT)
  const replace = sql(REPLACE)
  const update = sql(UPDATE)
  const remove = sql(REMOVE)
  const sweep = sql<[string]>(SWEEP)
  const names = sql<[number, string]>(NAMES)
  const freePages = sql<[number]>('PRAGMA freelist_count')
  const allPages = sql<[number]>('PRAGMA page_count')
  const compression = createCompression({ sql })
  const vacuum = sql(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`)

  function contentsOf([id, type, , value]: Row): Contents {
    const text = value instanceof Uint8Array ? compression.expand(value) : value
    if (type === STRING) return text ?? ''
    if (text !== null) return unpackContents(type, text)
    if (type === HASH) return new Map(sql<[string, string]>(FIELDS).all(id))
    const rows = sql<[string, number]>(MEMBERS).all(id)
    return new SortedSet(rows.map(([member, score]) => ({ member, score })))
  }

  function saveRow(entry: Entry, contents: Contents, text: string | null) {
    const { key, rowId, expiresAtMs } = entry
    const isEnding = rowId !== 0 && expiresAtMs !== null
    if (isEnding && text !== null && text.length > COMPRESS_SIZE) return saveCompressed(entry, text)
    if (rowId === 0) {
      const made = insert.run(key, typeOf(contents), expiresAtMs, text)
      entry.rowId = Number(made.lastInsertRowid)
    } else if (entry.isExpiryChanged) replace.run(expiresAtMs, text, rowId)
    else update.run(text, rowId)
    entry.isCompressed = false
  }

  function saveCompressed(entry: Entry, text: string) {
    const { key, rowId, expiresAtMs, contents } = entry
    const bytes = compression.compress(text)
    if (entry.isCompressed) {
      replace.run(expiresAtMs, bytes, rowId)
      return
    }
    // Made again at the end of the file: shrunk in its place, it would leave a gap there.
    remove.run(rowId)
    const made = insert.run(key, typeOf(contents ?? ''), expiresAtMs, bytes)
    entry.rowId = Number(made.lastInsertRowid)
    entry.isCompressed = true
  }

  function putOne(id: number, contents: Hash | SortedSet, name: string) {
    if (contents instanceof SortedSet) {
      const score = contents.scoreOf(name)
      if (score === undefined) sql(REMOVE_MEMBER).run(id, name)
      else sql(PUT_MEMBER).run(id, name, score)
    } else {
      const value = contents.get(name)
      if (value === undefined) sql(REMOVE_FIELD).run(id, name)
      else sql(PUT_FIELD).run(id, name, value)
    }
  }

  function saveRows(entry: Entry, contents: Hash | SortedSet) {
    if (entry.hasRows) {
      if (entry.isExpiryChanged) saveRow(entry, contents, null)
      for (const name of entry.changed) putOne(entry.rowId, contents, name)
      return
    }
    saveRow(entry, contents, null)
    entry.hasRows = true
    const names =
      contents instanceof SortedSet ? contents.items.map(({ member }) => member) : contents.keys()
    for (const name of names) putOne(entry.rowId, contents, name)
  }

  function saveInline(entry: Entry, contents: Hash | SortedSet) {
    saveRow(entry, contents, packContents(contents))
    if (!entry.hasRows) return
    entry.hasRows = false
    const table = typeOf(contents) === ZSET ? 'members' : 'fields'
    sql(`DELETE FROM ${table} WHERE id = ?`).run(entry.rowId)
  }

  function hasManyFreePages(): boolean {
    const free = freePages.get()?.[0] ?? 0
    return free > FREE_PAGES && free > FREE_SHARE * (allPages.get()?.[0] ?? 0)
  }

  return {
    load(key) {
      const row = find.get(key)
      if (row === undefined) return entryOf(key)
      const [rowId, type, expiresAtMs, value] = row
      const hasRows = type !== STRING && value === null
      const isCompressed = value instanceof Uint8Array
      return entryOf(key, { contents: contentsOf(row), expiresAtMs, rowId, hasRows, isCompressed })
    },
    save(entry) {
      const { contents, hasRows, size, expiresAtMs } = entry
      const limit = expiresAtMs === null ? INLINE_SIZE : EXPIRING_INLINE_SIZE
      if (contents === undefined) return
      if (typeof contents === 'string') saveRow(entry, contents, contents)
      // Contents about that size do not change their form each time they change.
      else if (size > (hasRows ? limit / 2 : limit)) saveRows(entry, contents)
      else saveInline(entry, contents)
      noteWritten(entry)
    },
    remove(rowId) {
      remove.run(rowId)
    },
    discard: compression.discard,
    clear() {
      // Contents first: then the trigger on keys finds nothing to remove.
      sql('DELETE FROM fields').run()
      sql('DELETE FROM members').run()
      sql('DELETE FROM keys').run()
    },
    names: (afterRow, limit) => names.all(afterRow, limit),
    sweep(beforeMs, limit) {
      const keys = sweep.all(beforeMs, limit).map(([key]) => key)
      const isFree = hasManyFreePages()
      if (isFree) vacuum.all()
      return { keys, isDone: keys.length < limit && !isFree }
    },
  }
}
