/** Commands on sets, which are kept as hashes whose values are empty. */
import { SET } from '../keyspace.ts'
import { at, type CommandTable, read, write } from './command.ts'

const ADD = `INSERT INTO fields (id, field, value) VALUES (?, ?, '') ON CONFLICT DO NOTHING`
const REMOVE = 'DELETE FROM fields WHERE id = ? AND field = ?'
const HAS = 'SELECT 1 FROM fields WHERE id = ? AND field = ?'

export const setCommands: CommandTable = {
  sadd: write(-3, (store, args) => {
    const id = store.obtain(at(args, 1), SET)
    let added = 0
    for (let index = 2; index < args.length; index++) {
      added += Number(store.sql(ADD).run(id, at(args, index)).changes)
    }
    return added
  }),

  srem: write(-3, (store, args) => {
    const id = store.idOf(at(args, 1), SET)
    if (id === 0) return 0
    let removed = 0
    for (let index = 2; index < args.length; index++) {
      removed += Number(store.sql(REMOVE).run(id, at(args, index)).changes)
    }
    if (removed > 0) store.removeIfEmpty(id, SET)
    return removed
  }),

  smembers: read(2, (store, args) => {
    const id = store.idOf(at(args, 1), SET)
    return store.sql<string[]>('SELECT field FROM fields WHERE id = ?').all(id).flat()
  }),

  sismember: read(3, (store, args) =>
    store.sql(HAS).get(store.idOf(at(args, 1), SET), at(args, 2)) === undefined ? 0 : 1,
  ),

  scard: read(2, (store, args) => {
    const count = store.sql<[number]>('SELECT COUNT(*) FROM fields WHERE id = ?')
    return count.get(store.idOf(at(args, 1), SET))?.[0] ?? 0
  }),
}
