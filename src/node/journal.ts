/** The settlement journal on disk: settlements that the store has not confirmed are kept over a crash. */
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import type { Timer, Timers } from '../clock.ts'
import type { SettlementJournal } from '../runtime.ts'
import { systemClock } from './clock.ts'

const Row = z.object({ ledgerId: z.string(), payload: z.string(), createdAtMs: z.number() })
type Row = z.infer<typeof Row>

/** Confirmed settlements may stay on disk this long: sent once more, they change nothing. */
const forgetWithinMs = 1_000

/**
 * Opens the journal at `path`, creating it when missing.
 * @param timers decide when confirmed settlements are removed from disk.
 * @throws what SQLite throws.
 */
export function openJournal(
  path: string,
  timers: Timers = systemClock,
): SettlementJournal & { close(): void } {
  const database = new DatabaseSync(path)
  database.exec(`
    PRAGMA busy_timeout = 1000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS settlements (
      ledgerId TEXT PRIMARY KEY, payload TEXT NOT NULL, createdAtMs INTEGER NOT NULL
    ) WITHOUT ROWID;
  `)
  const insert = database.prepare('INSERT OR REPLACE INTO settlements VALUES (?, ?, ?)')
  const remove = database.prepare('DELETE FROM settlements WHERE ledgerId = ?')
  const select = database.prepare('SELECT * FROM settlements ORDER BY createdAtMs')

  // A commit costs more than the rows in it, so those of one turn of the event loop share one.
  const added = new Map<string, Row>()
  const removed = new Set<string>()
  let written: Promise<void> | undefined
  let timer: Timer | undefined

  /** @throws what SQLite throws; what was to be removed is then removed by the next call. */
  function write(): void {
    timer?.clear()
    timer = undefined
    written = undefined
    const [rows, ids] = [[...added.values()], [...removed]]
    added.clear()
    if (rows.length + ids.length === 0) return
    try {
      database.exec('BEGIN IMMEDIATE')
      for (const { ledgerId, payload, createdAtMs } of rows) {
        insert.run(ledgerId, payload, createdAtMs)
      }
      for (const ledgerId of ids) remove.run(ledgerId)
      database.exec('COMMIT')
      for (const ledgerId of ids) removed.delete(ledgerId)
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  /** Forgetting can wait: while a settlement is about to be written, it is part of that commit. */
  function forget(): void {
    timer = undefined
    if (written) return
    try {
      write()
    } catch {
      timer = timers.setTimer(forget, forgetWithinMs)
    }
  }

  return {
    put(ledgerId, payload, createdAtMs) {
      added.set(ledgerId, { ledgerId, payload, createdAtMs })
      removed.delete(ledgerId)
      written ??= new Promise((resolve) => setImmediate(resolve)).then(write)
      return written
    },
    remove(ledgerId) {
      added.delete(ledgerId)
      removed.add(ledgerId)
      timer ??= timers.setTimer(forget, forgetWithinMs)
    },
    get(ledgerId) {
      write()
      return pendingRows().find((row) => row.ledgerId === ledgerId)?.payload
    },
    pending() {
      write()
      return pendingRows()
    },
    close() {
      write()
      database.close()
    },
  }

  function pendingRows(): Row[] {
    return z.array(Row).parse(select.all())
  }
}
