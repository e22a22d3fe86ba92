/** A settlement journal on disk: what the store has not confirmed survives a crash of the process. */
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import type { SettlementJournal } from '../runtime.ts'

const Row = z.object({ ledgerId: z.string(), payload: z.string(), createdAtMs: z.number() })

/** Opens the journal at `path`, creating it when missing. @throws what SQLite throws. */
export function openJournal(path: string): SettlementJournal & { close(): void } {
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
  const get = database.prepare('SELECT * FROM settlements WHERE ledgerId = ?')
  const select = database.prepare('SELECT * FROM settlements ORDER BY createdAtMs')
  return {
    put: (ledgerId, payload, nowMs) => void insert.run(ledgerId, payload, nowMs),
    get: (ledgerId) => Row.optional().parse(get.get(ledgerId))?.payload,
    remove: (ledgerId) => void remove.run(ledgerId),
    pending: () => z.array(Row).parse(select.all()),
    close: () => database.close(),
  }
}
