/** The SQLite file under the engine: schema, cached statements and transactions. */
import { DatabaseSync } from 'node:sqlite'

type Parameter = string | number | bigint | null | Uint8Array

/** A prepared statement whose rows are tuples. */
export interface Statement<Row> {
  get(...parameters: Parameter[]): Row | undefined
  all(...parameters: Parameter[]): Row[]
  run(...parameters: Parameter[]): { changes: number | bigint; lastInsertRowid: number | bigint }
}

export type TransactionMode = 'none' | 'read' | 'write'

export interface Database {
  /** Prepares once and returns the cached statement from then on. */
  sql<Row = []>(text: string): Statement<Row>
  /**
   * Runs the work in a transaction; nested calls join it. Writes are shared with others of the same
   * turn of the event loop, and an exception rolls all of these back.
   */
  transact<T>(mode: TransactionMode, work: () => T): T
  /** Resolves when what was written so far is durable; rejects when it was rolled back. */
  committed(): Promise<void>
  /** Whether a write transaction is open. */
  writing(): boolean
  close(): void
}

export interface DatabaseOptions {
  path: string
  synchronous: 'normal' | 'full'
}

const BUSY_TIMEOUT_MS = 5_000

// Ids are never reused, so a reader that raced with a deletion finds nothing, never another key.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    type INTEGER NOT NULL,
    expires_at INTEGER,
    value TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS keys_by_expiry ON keys (expires_at) WHERE expires_at IS NOT NULL;
  CREATE TABLE IF NOT EXISTS fields (
    id INTEGER NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (id, field)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS members (
    id INTEGER NOT NULL,
    member TEXT NOT NULL,
    score REAL NOT NULL,
    PRIMARY KEY (id, member)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS members_by_score ON members (id, score, member);
  CREATE TRIGGER IF NOT EXISTS keys_contents AFTER DELETE ON keys WHEN old.type <> 1 BEGIN
    DELETE FROM fields WHERE id = old.id;
    DELETE FROM members WHERE id = old.id;
  END;
`

function open({ path, synchronous }: DatabaseOptions): DatabaseSync {
  try {
    const connection = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, returnArrays: true })
    // Most commits touch a few short rows, and every page touched is written to the log as a whole.
    connection.exec('PRAGMA page_size = 2048')
    connection.exec('PRAGMA journal_mode = WAL')
    connection.exec('PRAGMA wal_autocheckpoint = 2000')
    connection.exec(`PRAGMA synchronous = ${synchronous}`)
    connection.exec('PRAGMA journal_size_limit = 67108864')
    connection.exec(SCHEMA)
    return connection
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`DATA_DIR: the data file ${path} cannot be opened: ${reason}`, { cause })
  }
}

/** Writes of one turn of the event loop, which share one commit. */
interface Group {
  done: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/** Opens the file, creating it where it does not exist. */
export function openDatabase(options: DatabaseOptions): Database {
  const connection = open(options)
  const statements = new Map<string, unknown>()
  let group: Group | undefined
  let isNested = false

  function sql<Row>(text: string): Statement<Row> {
    let statement = statements.get(text)
    if (statement === undefined) {
      statement = connection.prepare(text)
      statements.set(text, statement)
    }
    return statement as Statement<Row>
  }

  const begin = { read: sql('BEGIN'), write: sql('BEGIN IMMEDIATE') }
  const commit = sql('COMMIT')

  function rollBack() {
    // A full disk may already have ended the transaction.
    if (connection.isTransaction) connection.exec('ROLLBACK')
  }

  function openGroup(): Group {
    begin.write.run()
    const { promise: done, resolve, reject } = Promise.withResolvers<void>()
    // Those who wrote in the group await it; without any, a rejection must not count as unhandled.
    done.catch(() => undefined)
    setImmediate(commitGroup)
    return { done, resolve, reject }
  }

  /** Half the cost of a small write is its commit, so writes of one turn share one. */
  function commitGroup() {
    const ending = group
    group = undefined
    try {
      if (ending) commit.run()
      ending?.resolve()
    } catch (error) {
      rollBack()
      ending?.reject(error)
    }
  }

  function writeInGroup<T>(work: () => T): T {
    group ??= openGroup()
    try {
      return work()
    } catch (error) {
      rollBack()
      group.reject(error)
      group = undefined
      throw error
    }
  }

  function readAlone<T>(work: () => T): T {
    begin.read.run()
    try {
      return work()
    } finally {
      rollBack()
    }
  }

  function transact<T>(mode: TransactionMode, work: () => T): T {
    if (mode === 'none' || isNested) return work()
    isNested = true
    try {
      return mode === 'read' && !group ? readAlone(work) : writeInGroup(work)
    } finally {
      isNested = false
    }
  }

  return {
    sql,
    transact,
    committed: () => group?.done ?? Promise.resolve(),
    writing: () => group !== undefined,
    close() {
      commitGroup()
      if (connection.isOpen) connection.close()
    },
  }
}
