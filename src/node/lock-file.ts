/** A lock that one process at a time holds, and that ends with the process, however that ends. */
import { DatabaseSync } from 'node:sqlite'

/** SQLITE_BUSY, whose extended codes have the same last byte (sqlite.org/rescode.html). */
const busy = 5

/** Whether SQLite says that another connection has the file. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && Number(error.errcode) % 256 === busy
}

/** What is said where another process holds `path`. */
export const inUse = (path: string) =>
  `DATA_DIR: ${path} is in use by another process; stop that one, or give each its own DATA_DIR`

/**
 * Takes the lock at `path`. The lock is that of SQLite on an empty database: the operating system ends
 * it, so no file of a process that was killed keeps the next one out.
 * @returns what gives it back.
 * @throws Error that names DATA_DIR where another process holds it.
 */
export function lockFile(path: string): () => void {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
    return () => database.close()
  } catch (cause) {
    database.close()
    throw isBusy(cause) ? new Error(inUse(path), { cause }) : cause
  }
}
