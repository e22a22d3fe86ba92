/** The keys: their types and when they expire. Every command finds its data through this. */
import type { Database, Statement } from './database.ts'
import { wrongType } from './reply.ts'

export const STRING = 1
export const HASH = 2
export const ZSET = 3

/** A live key: its id, its type and when it expires. */
export type KeyRow = [id: number, type: number, expiresAtMs: number | null]

const SWEEP_EVERY = 64
const SWEEP_LIMIT = 128

const FIND = 'SELECT id, type, expires_at FROM keys WHERE key = ?'
const CREATE = 'INSERT INTO keys (key, type) VALUES (?, ?)'
const REMOVE = 'DELETE FROM keys WHERE id = ?'
const SWEEP = `DELETE FROM keys WHERE id IN
  (SELECT id FROM keys WHERE expires_at < ? ORDER BY expires_at LIMIT ${SWEEP_LIMIT})`

export interface Store {
  sql: <Row = []>(text: string) => Statement<Row>
  /** The engine's clock; it stands still while a command, a script or a transaction runs. */
  nowMs: number
  /** The live key, or nothing; removes an expired one where it may write. */
  find(key: string): KeyRow | undefined
  /** The id of a live key of this type, 0 where there is none. */
  idOf(key: string, type: number): number
  /** The id of a live key of this type, created where there is none. */
  obtain(key: string, type: number): number
  remove(id: number): void
  /** Removes the key if its last field or member has gone. */
  removeIfEmpty(id: number, type: number): void
  /** Removes a bounded number of expired keys, once in 64 writes. */
  sweep(): void
}

/** Builds the keyspace over an open database. */
export function createStore(database: Database): Store {
  const find = database.sql<KeyRow>(FIND)
  const create = database.sql(CREATE)
  const remove = database.sql(REMOVE)
  const sweep = database.sql(SWEEP)
  const anyField = database.sql('SELECT 1 FROM fields WHERE id = ? LIMIT 1')
  const anyMember = database.sql('SELECT 1 FROM members WHERE id = ? LIMIT 1')
  let writesSinceSweep = 0

  const store: Store = {
    sql: database.sql,
    nowMs: 0,
    find(key) {
      const row = find.get(key)
      if (row === undefined || row[2] === null || row[2] >= store.nowMs) return row
      if (database.writing()) remove.run(row[0])
      return undefined
    },
    idOf(key, type) {
      const row = store.find(key)
      if (row === undefined) return 0
      if (row[1] !== type) throw wrongType()
      return row[0]
    },
    obtain(key, type) {
      return store.idOf(key, type) || Number(create.run(key, type).lastInsertRowid)
    },
    remove(id) {
      remove.run(id)
    },
    removeIfEmpty(id, type) {
      const any = type === ZSET ? anyMember : anyField
      if (any.get(id) === undefined) remove.run(id)
    },
    sweep() {
      if (++writesSinceSweep < SWEEP_EVERY) return
      const { changes } = sweep.run(store.nowMs)
      // After a full batch there may be more: the next write continues with them.
      if (Number(changes) < SWEEP_LIMIT) writesSinceSweep = 0
    },
  }
  return store
}
