/** Commands on hashes. */
import { HASH, type Store } from '../keyspace.ts'
import { addIntegers, parseInteger } from '../numbers.ts'
import { notInteger, type Reply, wrongArity } from '../reply.ts'
import { at, type CommandTable, read, write } from './command.ts'

const GET = 'SELECT value FROM fields WHERE id = ? AND field = ?'
const UPDATE = 'UPDATE fields SET value = ?3 WHERE id = ?1 AND field = ?2'
const INSERT = 'INSERT INTO fields (id, field, value) VALUES (?, ?, ?)'
const DELETE = 'DELETE FROM fields WHERE id = ? AND field = ?'

function fieldOf(store: Store, id: number, field: string): string | null {
  return id === 0 ? null : (store.sql<[string]>(GET).get(id, field)?.[0] ?? null)
}

/** Writes one field and answers whether it is new. */
function put(store: Store, id: number, field: string, value: string): boolean {
  if (Number(store.sql(UPDATE).run(id, field, value).changes) > 0) return false
  store.sql(INSERT).run(id, field, value)
  return true
}

function column(store: Store, args: string[], text: string): Reply {
  const id = store.idOf(at(args, 1), HASH)
  return id === 0 ? [] : store.sql<string[]>(text).all(id).flat()
}

export const hashCommands: CommandTable = {
  hget: read(3, (store, args) => fieldOf(store, store.idOf(at(args, 1), HASH), at(args, 2))),

  hmget: read(-3, (store, args) => {
    const id = store.idOf(at(args, 1), HASH)
    return args.slice(2).map((field) => fieldOf(store, id, field))
  }),

  hset: write(-4, (store, args) => {
    if (args.length % 2 !== 0) throw wrongArity('hset')
    const id = store.obtain(at(args, 1), HASH)
    let added = 0
    for (let index = 2; index < args.length; index += 2) {
      if (put(store, id, at(args, index), at(args, index + 1))) added++
    }
    return added
  }),

  hsetnx: write(4, (store, args) => {
    const id = store.obtain(at(args, 1), HASH)
    if (fieldOf(store, id, at(args, 2)) !== null) return 0
    store.sql(INSERT).run(id, at(args, 2), at(args, 3))
    return 1
  }),

  hincrby: write(4, (store, args) => {
    if (parseInteger(at(args, 3)) === undefined) throw notInteger()
    const key = at(args, 1)
    const field = at(args, 2)
    const id = store.idOf(key, HASH)
    const current = fieldOf(store, id, field)
    const sum = addIntegers(current ?? '0', at(args, 3), 'ERR hash value is not an integer')
    const target = id || store.obtain(key, HASH)
    store.sql(current === null ? INSERT : UPDATE).run(target, field, String(sum))
    return Number(sum)
  }),

  hdel: write(-3, (store, args) => {
    const id = store.idOf(at(args, 1), HASH)
    if (id === 0) return 0
    let removed = 0
    for (let index = 2; index < args.length; index++) {
      removed += Number(store.sql(DELETE).run(id, at(args, index)).changes)
    }
    if (removed > 0) store.removeIfEmpty(id, HASH)
    return removed
  }),

  hexists: read(3, (store, args) =>
    fieldOf(store, store.idOf(at(args, 1), HASH), at(args, 2)) === null ? 0 : 1,
  ),

  hgetall: read(2, (store, args) =>
    column(store, args, 'SELECT field, value FROM fields WHERE id = ?'),
  ),
  hkeys: read(2, (store, args) => column(store, args, 'SELECT field FROM fields WHERE id = ?')),
}
