/** Commands on strings, whose value lives in the row of the key itself. */
import { STRING, type Store } from '../keyspace.ts'
import { expiryMs, integerArgument, invalidExpiry } from '../numbers.ts'
import { OK, type Reply, syntaxError } from '../reply.ts'
import { at, type CommandTable, read, write } from './command.ts'

const VALUE = 'SELECT value FROM keys WHERE id = ?'
const REPLACE = `INSERT INTO keys (key, type, value, expires_at) VALUES (?, ${STRING}, ?, ?)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`

function readValue(store: Store, id: number): string | null {
  return id === 0 ? null : (store.sql<[string]>(VALUE).get(id)?.[0] ?? null)
}

interface SetOptions {
  onlyIfAbsent: boolean
  expiresAtMs: number | null
}

/** Reads `NX`, and one of `EX seconds` and `PX milliseconds`: what the gateway sets keys with. */
function setOptions(store: Store, args: string[]): SetOptions {
  const options: SetOptions = { onlyIfAbsent: false, expiresAtMs: null }
  for (let index = 3; index < args.length; index++) {
    const word = at(args, index).toUpperCase()
    if (word === 'NX') options.onlyIfAbsent = true
    else if ((word === 'EX' || word === 'PX') && options.expiresAtMs === null) {
      const text = args[++index]
      if (text === undefined) throw syntaxError()
      options.expiresAtMs = expiryOf(store, text, word === 'EX' ? 1000 : 1)
    } else throw syntaxError()
  }
  return options
}

function expiryOf(store: Store, text: string, unitMs: number): number {
  if (integerArgument(text) <= 0) throw invalidExpiry('set')
  return expiryMs(text, unitMs, store.nowMs, 'set')
}

function set(store: Store, args: string[]): Reply {
  const key = at(args, 1)
  const { onlyIfAbsent, expiresAtMs } = setOptions(store, args)
  const row = store.find(key)
  if (row !== undefined && onlyIfAbsent) return null
  if (row !== undefined && row[1] !== STRING) store.remove(row[0])
  store.sql(REPLACE).run(key, at(args, 2), expiresAtMs)
  return OK
}

export const stringCommands: CommandTable = {
  get: read(2, (store, args) => readValue(store, store.idOf(at(args, 1), STRING))),

  set: write(-3, set),

  mget: read(-2, (store, args) =>
    args.slice(1).map((key) => {
      // MGET answers nil for a key of another type instead of failing.
      const row = store.find(key)
      return row === undefined || row[1] !== STRING ? null : readValue(store, row[0])
    }),
  ),
}
