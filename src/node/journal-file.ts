/** The file of the settlement journal: read at start, appended to, and written anew when mostly confirmed. */
import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { headLine, putLine, readLine, type WholeEntry } from './journal-lines.ts'

export interface JournalFile {
  /** What stands in it, by ledger id; only until the first change. */
  entries: Map<string, WholeEntry>
  /** The lines that could not be read, and where they are kept; they go when the file is written anew. */
  damage: { lines: string[]; setAside: string } | undefined
  bytes(): number
  /** Appends the lines, and syncs them with the disk. @throws what the disk throws; the file is then as before. */
  append(lines: string): Promise<void>
  /** Writes the file anew, with these entries only. @throws what the disk throws; the file is then as before. */
  rewrite(entries: WholeEntry[]): Promise<void>
  close(): Promise<void>
}

const endOfLine = 10
const chunkEntries = 1_000

// Where the system can, a write returns when it is on the disk: one call instead of two.
const syncOnWrite = constants.O_DSYNC ?? 0
const appending = constants.O_WRONLY | constants.O_APPEND | syncOnWrite

/**
 * Opens the file at `path`, creating it when missing. An unfinished last line was never confirmed to
 * anyone, and is cut off. Damaged lines are copied to a file beside it.
 * @param nowMs makes the name of that file unique.
 * @throws what the disk throws; Error where a newer version has written the journal.
 */
export function openJournalFile(path: string, nowMs: number): JournalFile {
  if (!existsSync(path)) create(path)
  const contents = readFileSync(path)
  const end = contents.lastIndexOf(endOfLine) + 1
  if (end < contents.length) truncateSync(path, end)
  const { entries, damaged } = read(contents.subarray(0, end))
  const setAside = `${path}.damaged-${nowMs}`
  if (damaged.length > 0) appendFileSync(setAside, `${damaged.join('\n')}\n`, { mode: 0o600 })
  let bytes = end
  let handle: FileHandle | undefined
  /** After a failure that could not be undone, the last line has no end. */
  let isTorn = false

  async function write(lines: string): Promise<number> {
    handle ??= await open(path, appending)
    const data = Buffer.from(isTorn ? `\n${lines}` : lines)
    await handle.writeFile(data)
    if (syncOnWrite === 0) await handle.datasync()
    return data.length
  }

  return {
    entries,
    damage: damaged.length > 0 ? { lines: damaged, setAside } : undefined,
    bytes: () => bytes,
    async append(lines) {
      try {
        bytes += await write(lines)
        isTorn = false
      } catch (error) {
        isTorn =
          (await handle?.truncate(bytes).then(
            () => false,
            () => true,
          )) ?? isTorn
        throw error
      }
    },
    async rewrite(kept) {
      const draft = `${path}.new`
      const size = await writeDraft(draft, kept)
      await rename(draft, path)
      const last = handle
      handle = undefined
      isTorn = false
      bytes = size
      syncDirectory(path)
      await last?.close()
    },
    async close() {
      await handle?.close()
      handle = undefined
    },
  }
}

function create(path: string): void {
  const descriptor = openSync(path, 'a', 0o600)
  try {
    writeSync(descriptor, headLine)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  syncDirectory(path)
}

function read(contents: Buffer): { entries: Map<string, WholeEntry>; damaged: string[] } {
  const entries = new Map<string, WholeEntry>()
  const damaged: string[] = []
  for (let start = 0; start < contents.length; ) {
    const end = contents.indexOf(endOfLine, start)
    const text = contents.toString('utf8', start, end)
    start = end + 1
    if (text === '') continue
    const record = readLine(text)
    if (record === undefined) damaged.push(text)
    else if (record !== null && 'put' in record) entries.set(record.put.ledgerId, record.put)
    else if (record !== null) for (const ledgerId of record.confirmed) entries.delete(ledgerId)
  }
  return { entries, damaged }
}

/** @returns how many bytes the file has, all of them on the disk. */
async function writeDraft(path: string, entries: WholeEntry[]): Promise<number> {
  const draft = await open(path, 'w', 0o600)
  try {
    await draft.writeFile(headLine)
    for (let index = 0; index < entries.length; index += chunkEntries) {
      const lines = entries.slice(index, index + chunkEntries).map(putLine)
      await draft.writeFile(lines.join(''))
    }
    await draft.sync()
    return (await draft.stat()).size
  } finally {
    await draft.close()
  }
}

/** A file that was made or renamed is on the disk only with its directory. */
function syncDirectory(path: string): void {
  try {
    const descriptor = openSync(dirname(path), 'r')
    try {
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  } catch {
    // Not every system lets a directory be synced; those that do not need it least.
  }
}
