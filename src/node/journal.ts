/** The settlement journal on disk: settlements that the store has not confirmed are kept over a crash. */
import type { Clock, Timer } from '../clock.ts'
import type { JournalEntry, SettlementJournal } from '../runtime.ts'
import { systemClock } from './clock.ts'
import { asEntry, type JournalDamage, openJournalFile, selectRow } from './journal-file.ts'

interface Row {
  ledgerId: string
  payload: string
  createdAtMs: number
}

/** Confirmed settlements may stay on disk this long: sent once more, they change nothing. */
const forgetWithinMs = 1_000

export interface OpenedJournal extends SettlementJournal {
  /** Set where the file was damaged, and another one begun. */
  damage: JournalDamage | undefined
  close(): void
}

/**
 * Opens the journal at `path`, creating it when missing.
 * @param clock decides when confirmed settlements are removed from disk.
 * @throws what SQLite throws; a damaged file is replaced instead.
 */
export function openJournal(
  path: string,
  clock: Pick<Clock, 'now' | 'setTimer'> = systemClock,
): OpenedJournal {
  const { database, damage } = openJournalFile(path, clock.now())
  const insert = database.prepare('INSERT OR REPLACE INTO settlements VALUES (?, ?, ?)')
  const remove = database.prepare('DELETE FROM settlements WHERE ledgerId = ?')
  const selectOne = database.prepare(`${selectRow} WHERE ledgerId = ?`)
  const selectAll = database.prepare(`${selectRow} ORDER BY createdAtMs`)

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
      timer = clock.setTimer(forget, forgetWithinMs)
    }
  }

  return {
    damage,
    put(ledgerId, payload, createdAtMs) {
      added.set(ledgerId, { ledgerId, payload, createdAtMs })
      removed.delete(ledgerId)
      written ??= new Promise((resolve) => setImmediate(resolve)).then(write)
      return written
    },
    remove(ledgerId) {
      added.delete(ledgerId)
      removed.add(ledgerId)
      timer ??= clock.setTimer(forget, forgetWithinMs)
    },
    // Reading writes nothing: a write that fails must be told to those who wait for it.
    get(ledgerId) {
      const waiting = added.get(ledgerId)
      if (waiting || removed.has(ledgerId)) return waiting?.payload
      const row = selectOne.get(ledgerId)
      return row && asEntry(row).payload
    },
    pending() {
      const onDisk = selectAll.all().map(asEntry)
      const isKept = ({ ledgerId }: JournalEntry) => !added.has(ledgerId) && !removed.has(ledgerId)
      return [...onDisk.filter(isKept), ...added.values()]
    },
    close() {
      write()
      database.close()
    },
  }
}
