/** The file of the settlement journal: opened, read row by row, and replaced where it is damaged. */
import { existsSync, renameSync } from 'node:fs'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import type { JournalEntry } from '../runtime.ts'

/** What a damaged file was replaced by. */
export interface JournalDamage {
  /** Where the damaged file is now. */
  setAside: string
  /** Entries that could be read, and are in the new file. */
  rescued: number
}

/**
 * Opens the file at `path`, creating it when missing. A damaged file is renamed, and what can be read of
 * it is in the new one: the settlements of other requests must not be lost with one bad page.
 * @param nowMs makes the name of a damaged file unique.
 * @throws what SQLite throws, unless it says that the file is damaged.
 */
export function openJournalFile(
  path: string,
  nowMs: number,
): { database: DatabaseSync; damage: JournalDamage | undefined } {
  let damaged: DatabaseSync | undefined
  try {
    damaged = openTable(path)
    if (isSound(damaged)) return { database: damaged, damage: undefined }
  } catch (error) {
    if (!isDamage(error)) throw error
  }
  const entries = damaged ? readEntries(damaged) : []
  closeQuietly(damaged)
  const setAside = `${path}.damaged-${nowMs}`
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, setAside + suffix)
  }
  const database = openTable(path)
  const insert = database.prepare('INSERT INTO settlements VALUES (?, ?, ?)')
  const rescued = entries.flatMap(({ ledgerId, payload, createdAtMs }) =>
    payload === undefined ? [] : [insert.run(ledgerId, payload, createdAtMs)],
  )
  return { database, damage: { setAside, rescued: rescued.length } }
}

function openTable(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  try {
    // FULL: without it a commit in WAL mode is not on the disk yet when it returns.
    database.exec(`
      PRAGMA busy_timeout = 1000;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS settlements (
        ledgerId TEXT PRIMARY KEY, payload TEXT NOT NULL, createdAtMs INTEGER NOT NULL
      ) WITHOUT ROWID;
    `)
    return database
  } catch (error) {
    closeQuietly(database)
    throw error
  }
}

function isSound(database: DatabaseSync): boolean {
  const [first] = Object.values(database.prepare('PRAGMA quick_check(1)').get() ?? {})
  return first === 'ok'
}

/** SQLITE_CORRUPT and SQLITE_NOTADB, whose extended codes have the same last byte (sqlite.org/rescode.html). */
const damageCodes: ReadonlySet<number> = new Set([11, 26])

function isDamage(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
  return damageCodes.has(code % 256)
}

/** A scan ends at a damaged page, so another one reads from the far end. */
function readEntries(database: DatabaseSync): JournalEntry[] {
  const entries = new Map<string, JournalEntry>()
  for (const order of ['ASC', 'DESC']) {
    try {
      const rows = database.prepare(`${selectRow} ORDER BY ledgerId ${order}`).iterate()
      for (const row of rows) {
        const entry = asEntry(row)
        entries.set(entry.ledgerId, entry)
      }
    } catch {
      // What was read before the damage counts.
    }
  }
  return [...entries.values()]
}

/** One row at a time; the age is null where it is no integer, which SQLite lets any column hold. */
export const selectRow = `SELECT ledgerId, payload,
  CASE typeof(createdAtMs) WHEN 'integer' THEN CAST(createdAtMs AS REAL) END AS createdAtMs
  FROM settlements`

/** A row of `selectRow` as an entry, without a payload where the row is damaged. */
export function asEntry(row: Record<string, SQLOutputValue>): JournalEntry {
  const { ledgerId, payload, createdAtMs } = row
  const isWhole = typeof payload === 'string' && typeof createdAtMs === 'number'
  return {
    ledgerId: String(ledgerId),
    payload: isWhole ? payload : undefined,
    createdAtMs: Number(createdAtMs ?? 0),
  }
}

function closeQuietly(database: DatabaseSync | undefined): void {
  try {
    database?.close()
  } catch {
    // A damaged file may not even be closed in order.
  }
}
