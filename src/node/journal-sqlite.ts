/** The journal of version 0.1, an SQLite file: its entries go to the journal of today, and then it goes. */
import { existsSync, renameSync, rmSync } from 'node:fs'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import type { JournalEntry } from '../runtime.ts'
import { inUse, isBusy } from './lock-file.ts'

export interface OldJournal {
  /** An entry whose row is damaged has no payload. */
  entries: JournalEntry[]
  /** Where the file will be kept, because not all of it could be read. */
  setAside: string | undefined
  /** Removes the file, or keeps it under that name; to be called when the entries are on disk elsewhere. */
  discard(): void
}

const suffixes = ['', '-wal', '-shm']

/**
 * Reads the journal at `path`; what can be read of a damaged file counts.
 * @param nowMs makes the name of a damaged file unique.
 * @returns undefined where there is none.
 * @throws Error that names DATA_DIR where another process has it open; what SQLite throws, unless it says
 * that the file is damaged.
 */
export function readOldJournal(path: string, nowMs: number): OldJournal | undefined {
  if (!existsSync(path)) return undefined
  const { entries, isSound } = read(path)
  const isWhole = isSound && entries.every(({ payload }) => payload !== undefined)
  const setAside = isWhole ? undefined : `${path}.damaged-${nowMs}`
  const discard = () => {
    for (const suffix of suffixes) {
      if (setAside === undefined) rmSync(path + suffix, { force: true })
      else if (existsSync(path + suffix)) renameSync(path + suffix, setAside + suffix)
    }
  }
  return { entries, setAside, discard }
}

function read(path: string): { entries: JournalEntry[]; isSound: boolean } {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: 0 })
    // An older version that still runs would go on writing to it.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT')
    const isSound = checkPages(database)
    return { entries: readEntries(database), isSound }
  } catch (error) {
    if (isBusy(error)) throw new Error(inUse(path), { cause: error })
    if (!isDamage(error)) throw error
    return { entries: [], isSound: false }
  } finally {
    closeQuietly(database)
  }
}

function checkPages(database: DatabaseSync): boolean {
  const [first] = Object.values(database.prepare('PRAGMA quick_check(1)').get() ?? {})
  return first === 'ok'
}

/** SQLITE_CORRUPT and SQLITE_NOTADB, whose extended codes have the same last byte (sqlite.org/rescode.html). */
const damageCodes: ReadonlySet<number> = new Set([11, 26])

function isDamage(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
  return damageCodes.has(code % 256)
}

/** One row at a time; the age is null where it is no integer, which SQLite lets any column hold. */
const selectRow = `SELECT ledgerId, payload,
  CASE typeof(createdAtMs) WHEN 'integer' THEN CAST(createdAtMs AS REAL) END AS createdAtMs
  FROM settlements`

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

function asEntry({ ledgerId, payload, createdAtMs }: Record<string, SQLOutputValue>): JournalEntry {
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
