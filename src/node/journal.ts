/** The settlement journal on disk: settlements that the store has not confirmed are kept over a crash. */
import { dirname, join } from 'node:path'
import type { Clock, Timer } from '../clock.ts'
import type { JournalEntry, SettlementJournal } from '../runtime.ts'
import { systemClock } from './clock.ts'
import { openJournalFile } from './journal-file.ts'
import { confirmedLine, idInDamagedLine, putLine, type WholeEntry } from './journal-lines.ts'
import { readOldJournal } from './journal-sqlite.ts'
import { lockFile } from './lock-file.ts'

/** Confirmed settlements may stay on disk this long: sent once more, they change nothing. */
const forgetWithinMs = 1_000
/** From here on the file is written anew when less than half of it still waits. */
const compactBytes = 1024 * 1024
/** What a line takes beside its payload, about. */
const lineBytes = 100

/** What could not be read is kept in a file of its own. */
export interface JournalDamage {
  setAside: string
  /** Entries that could be read, and go on. */
  rescued: number
}

export interface OpenedJournal extends SettlementJournal {
  /** Set where lines, or an old file, were damaged. */
  damage: JournalDamage | undefined
  /** Resolves when all is on disk, and the file is free for another process. */
  close(): Promise<void>
}

/** Entries of one turn of the event loop, or of the time that the last write took. */
interface Batch extends PromiseWithResolvers<void> {
  entries: Map<string, WholeEntry>
}

/**
 * Opens the journal at `path`, creating it when missing, for this process alone. What waits in the
 * `journal.sqlite` of an older version beside it is taken over.
 * @param clock decides when confirmed settlements are removed from disk.
 * @param openFile opens the file.
 * @throws Error that names DATA_DIR where another process has it; what the disk throws.
 */
export function openJournal(
  path: string,
  clock: Pick<Clock, 'now' | 'setTimer'> = systemClock,
  openFile = openJournalFile,
): OpenedJournal {
  const unlock = lockFile(`${path}.lock`)
  const { file, old } = orElse(unlock, () => ({
    file: openFile(path, clock.now()),
    old: readOldJournal(join(dirname(path), 'journal.sqlite'), clock.now()),
  }))
  const unreadable: JournalEntry[] = (file.damage?.lines ?? []).map((text) => ({
    ledgerId: idInDamagedLine(text),
    payload: undefined,
    createdAtMs: 0,
  }))
  /** What the store has not confirmed, whether or not it is on disk yet. */
  const waiting = new Map(file.entries)
  const confirmed = new Set<string>()
  let batch: Batch | undefined
  let running: Promise<void> | undefined
  let timer: Timer | undefined
  let waitingBytes = 0
  let compactAt = compactBytes
  // Damaged lines are told of once.
  let mustCompact = file.damage !== undefined
  for (const entry of waiting.values()) waitingBytes += bytesOf(entry)

  function addBatch(): Batch {
    setImmediate(run)
    const made = { ...Promise.withResolvers<void>(), entries: new Map() }
    // Those that have put entries await it; without any, a rejection must not count as unhandled.
    made.promise.catch(() => undefined)
    return made
  }

  function run() {
    running ??= write().finally(() => {
      running = undefined
    })
  }

  /** One write at a time; what comes meanwhile is the next one. */
  async function write(): Promise<void> {
    while (batch !== undefined) {
      const current = batch
      batch = undefined
      await append(current)
      await compact()
    }
  }

  async function append({ entries, resolve, reject }: Batch): Promise<void> {
    timer?.clear()
    timer = undefined
    const ids = [...confirmed]
    confirmed.clear()
    const lines = [...entries.values()].map(putLine)
    if (ids.length > 0) lines.push(confirmedLine(ids))
    try {
      if (lines.length > 0) await file.append(lines.join(''))
      resolve()
    } catch (error) {
      for (const [ledgerId, entry] of entries) {
        if (waiting.get(ledgerId) === entry) drop(ledgerId)
      }
      for (const ledgerId of ids) if (!waiting.has(ledgerId)) confirmed.add(ledgerId)
      if (ids.length > 0) forgetLater()
      reject(error)
    }
  }

  async function compact(): Promise<void> {
    if (!mustCompact && file.bytes() < Math.max(compactAt, 2 * waitingBytes)) return
    mustCompact = false
    const written = [...waiting.values()].filter(({ ledgerId }) => !batch?.entries.has(ledgerId))
    try {
      await file.rewrite(written)
      compactAt = compactBytes
    } catch {
      // A longer file is no harm; it is tried again when it has doubled.
      compactAt = 2 * file.bytes()
    }
  }

  function add(entry: WholeEntry) {
    drop(entry.ledgerId)
    waiting.set(entry.ledgerId, entry)
    waitingBytes += bytesOf(entry)
  }

  function drop(ledgerId: string) {
    const entry = waiting.get(ledgerId)
    if (entry && waiting.delete(ledgerId)) waitingBytes -= bytesOf(entry)
  }

  /** Forgetting can wait: the next settlement that is written takes it along. */
  function forgetLater() {
    timer ??= clock.setTimer(() => {
      timer = undefined
      batch ??= addBatch()
    }, forgetWithinMs)
  }

  function put(entry: WholeEntry): Promise<void> {
    batch ??= addBatch()
    batch.entries.set(entry.ledgerId, entry)
    confirmed.delete(entry.ledgerId)
    add(entry)
    return batch.promise
  }

  function takeOver(entries: JournalEntry[], discard: () => void) {
    const whole = entries.filter((entry): entry is WholeEntry => entry.payload !== undefined)
    unreadable.push(...entries.filter(({ payload }) => payload === undefined))
    batch ??= addBatch()
    // Where that fails, the old file stays, and the next start takes it over.
    Promise.all(whole.map(put)).then(discard, () => undefined)
  }

  const setAside = file.damage?.setAside ?? old?.setAside
  if (old) takeOver(old.entries, old.discard)
  else if (file.damage) batch = addBatch()

  return {
    damage: setAside === undefined ? undefined : { setAside, rescued: waiting.size },
    put: (ledgerId, payload, createdAtMs) => put({ ledgerId, payload, createdAtMs }),
    remove(ledgerId) {
      drop(ledgerId)
      batch?.entries.delete(ledgerId)
      confirmed.add(ledgerId)
      forgetLater()
    },
    get: (ledgerId) => waiting.get(ledgerId)?.payload,
    pending: () =>
      [...unreadable, ...waiting.values()].toSorted((a, b) => a.createdAtMs - b.createdAtMs),
    async close() {
      timer?.clear()
      if (confirmed.size > 0) batch ??= addBatch()
      await batch?.promise.catch(() => undefined)
      await running
      // A full disk may have set it again.
      timer?.clear()
      await file.close()
      unlock()
    },
  }
}

function orElse<T>(undo: () => void, work: () => T): T {
  try {
    return work()
  } catch (error) {
    undo()
    throw error
  }
}

const bytesOf = ({ payload }: WholeEntry) => payload.length + lineBytes
