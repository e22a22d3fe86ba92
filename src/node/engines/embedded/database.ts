/** The SQLite file under the engine: one owner, cached statements and transactions. */
import { DatabaseSync } from 'node:sqlite'
import { inUse, isBusy } from '../../lock-file.ts'
import { prepareFormat } from './format.ts'

type Parameter = string | number | bigint | null | Uint8Array

/** A prepared statement whose rows are tuples. */
export interface Statement<Row> {
  get(...parameters: Parameter[]): Row | undefined
  all(...parameters: Parameter[]): Row[]
  run(...parameters: Parameter[]): { changes: number | bigint; lastInsertRowid: number | bigint }
}

export interface Database {
  /** Prepares once and returns the cached statement from then on. */
  sql<Row = []>(text: string): Statement<Row>
  /** Runs the work in a transaction. @throws what the work or the disk throws; then nothing is written. */
  write(work: () => void): void
  close(): void
}

export interface DatabaseOptions {
  path: string
  synchronous: 'normal' | 'full'
}

/** Pages in the log before they are written back to the file. */
const CHECKPOINT_PAGES = 1_000
// Most commits touch a few short rows, and every page touched is written to the log as a whole.
const PAGE_BYTES = 2_048

/** @throws Error that begins with DATA_DIR, also where another process has the file open. */
function open({ path, synchronous }: DatabaseOptions): DatabaseSync {
  let connection: DatabaseSync | undefined
  try {
    connection = new DatabaseSync(path, { timeout: 0, returnArrays: true })
    connection.exec(`PRAGMA page_size = ${PAGE_BYTES}`)
    connection.exec('PRAGMA auto_vacuum = INCREMENTAL')
    // What is in memory must be all that changes the file, so nothing else may open it.
    connection.exec('PRAGMA locking_mode = EXCLUSIVE')
    connection.exec('PRAGMA journal_mode = WAL')
    connection.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    connection.exec(`PRAGMA journal_size_limit = ${CHECKPOINT_PAGES * PAGE_BYTES}`)
    connection.exec(`PRAGMA synchronous = ${synchronous}`)
    prepareFormat(connection)
    return connection
  } catch (cause) {
    connection?.close()
    if (isBusy(cause)) throw new Error(inUse(path), { cause })
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`DATA_DIR: the data file ${path} cannot be opened: ${reason}`, { cause })
  }
}

/** Opens the file for this process alone, creating it where it does not exist. */
export function openDatabase(options: DatabaseOptions): Database {
  const connection = open(options)
  const statements = new Map<string, unknown>()

  function sql<Row>(text: string): Statement<Row> {
    let statement = statements.get(text)
    if (statement === undefined) {
      statement = connection.prepare(text)
      statements.set(text, statement)
    }
    return statement as Statement<Row>
  }

  const begin = sql('BEGIN IMMEDIATE')
  const commit = sql('COMMIT')

  return {
    sql,
    write(work) {
      begin.run()
      try {
        work()
        commit.run()
      } catch (error) {
        // A full disk may already have ended the transaction.
        if (connection.isTransaction) connection.exec('ROLLBACK')
        throw error
      }
    },
    close() {
      if (connection.isOpen) connection.close()
    },
  }
}
