/** Commands on strings and counters, whose value lives in the row of the key itself. */
import { STRING, type Store } from '../keyspace.ts'
import { addIntegers, expiryMs, integerArgument, invalidExpiry } from '../numbers.ts'
import { OK, type Reply, syntaxError, wrongArity, wrongType } from '../reply.ts'
import { at, type Command, type CommandTable, read, write } from './command.ts'

const VALUE = 'SELECT value FROM keys WHERE id = ?'
const UPDATE = 'UPDATE keys SET value = ? WHERE id = ?'
const REPLACE = `INSERT INTO keys (key, type, value, expires_at) VALUES (?, ${STRING}, ?, ?)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`

function stringOf(store: Store, key: string): string | null {
  const id = store.idOf(key, STRING)
  return id === 0 ? null : (store.sql<[string]>(VALUE).get(id)?.[0] ?? null)
}

function replace(store: Store, key: string, value: string, expiresAtMs: number | null): void {
  const row = store.find(key)
  if (row !== undefined && row[1] !== STRING) store.remove(row[0])
  store.sql(REPLACE).run(key, value, expiresAtMs)
}

/** Changes a value and leaves its expiry as it is. */
function amend(store: Store, key: string, value: string): void {
  const id = store.idOf(key, STRING)
  if (id === 0) store.sql(REPLACE).run(key, value, null)
  else store.sql(UPDATE).run(value, id)
}

type Expiry = 'EX' | 'PX' | 'EXAT' | 'PXAT'

interface SetOptions {
  only: 'NX' | 'XX' | undefined
  answerOld: boolean
  keepTtl: boolean
  expiresAtMs: number | null
}

function setOptions(store: Store, args: string[]): SetOptions {
  const options: SetOptions = {
    only: undefined,
    answerOld: false,
    keepTtl: false,
    expiresAtMs: null,
  }
  let expiry: { unit: Expiry; text: string } | undefined
  for (let index = 3; index < args.length; index++) {
    const word = at(args, index).toUpperCase()
    if (word === 'NX' || word === 'XX') {
      if (options.only !== undefined && options.only !== word) throw syntaxError()
      options.only = word
    } else if (word === 'GET') {
      options.answerOld = true
    } else if (word === 'KEEPTTL' && expiry === undefined) {
      options.keepTtl = true
    } else if (word === 'EX' || word === 'PX' || word === 'EXAT' || word === 'PXAT') {
      const text = args[++index]
      if (text === undefined || expiry !== undefined || options.keepTtl) throw syntaxError()
      expiry = { unit: word, text }
    } else throw syntaxError()
  }
  if (expiry !== undefined) options.expiresAtMs = expiryOf(store, expiry.unit, expiry.text)
  return options
}

function expiryOf(store: Store, unit: Expiry, text: string): number {
  if (integerArgument(text) <= 0) throw invalidExpiry('set')
  const unitMs = unit === 'EX' || unit === 'EXAT' ? 1000 : 1
  return expiryMs(text, unitMs, unit === 'EX' || unit === 'PX' ? store.nowMs : 0, 'set')
}

function set(store: Store, args: string[]): Reply {
  const key = at(args, 1)
  if (args.length === 3) {
    replace(store, key, at(args, 2), null)
    return OK
  }
  const options = setOptions(store, args)
  const row = store.find(key)
  const old = options.answerOld ? stringOf(store, key) : null
  const refused =
    (options.only === 'NX' && row !== undefined) || (options.only === 'XX' && row === undefined)
  if (!refused) {
    const expiresAtMs = options.keepTtl ? (row?.[2] ?? null) : options.expiresAtMs
    replace(store, key, at(args, 2), expiresAtMs)
  }
  if (options.answerOld) return old
  return refused ? null : OK
}

/** Adds to a counter by the given word of the command, or by one. */
const count = (arity: number, sign: 1 | -1): Command =>
  write(arity, (store, args) => {
    const key = at(args, 1)
    const invalid = 'ERR value is not an integer or out of range'
    const sum = addIntegers(stringOf(store, key) ?? '0', args[2] ?? '1', invalid, sign)
    amend(store, key, String(sum))
    return Number(sum)
  })

export const stringCommands: CommandTable = {
  get: read(2, (store, args) => stringOf(store, at(args, 1))),
  set: write(-3, set),

  setnx: write(3, (store, args) => {
    if (store.find(at(args, 1)) !== undefined) return 0
    replace(store, at(args, 1), at(args, 2), null)
    return 1
  }),

  getdel: write(2, (store, args) => {
    const row = store.find(at(args, 1))
    if (row === undefined) return null
    if (row[1] !== STRING) throw wrongType()
    const value = stringOf(store, at(args, 1))
    store.remove(row[0])
    return value
  }),

  mget: read(-2, (store, args) =>
    args.slice(1).map((key) => {
      // MGET answers nil for a key of another type instead of failing.
      const row = store.find(key)
      if (row === undefined || row[1] !== STRING) return null
      return store.sql<[string]>(VALUE).get(row[0])?.[0] ?? null
    }),
  ),

  mset: write(-3, (store, args) => {
    if (args.length % 2 === 0) throw wrongArity('mset')
    for (let index = 1; index < args.length; index += 2) {
      replace(store, at(args, index), at(args, index + 1), null)
    }
    return OK
  }),

  incr: count(2, 1),
  decr: count(2, -1),
  incrby: count(3, 1),
  decrby: count(3, -1),

  append: write(3, (store, args) => {
    const value = (stringOf(store, at(args, 1)) ?? '') + at(args, 2)
    amend(store, at(args, 1), value)
    return Buffer.byteLength(value)
  }),

  strlen: read(2, (store, args) => Buffer.byteLength(stringOf(store, at(args, 1)) ?? '')),
}
