/** Commands about the server and the whole keyspace. */
import { TYPE_NAMES } from '../keyspace.ts'
import { integerArgument } from '../numbers.ts'
import { CommandError, OK, syntaxError, wrongArity } from '../reply.ts'
import { at, type CommandTable, plain, read, write } from './command.ts'

const flush = write(-1, (store, args) => {
  const option = args[1]?.toUpperCase()
  if (args.length > 2 || (option !== undefined && option !== 'ASYNC' && option !== 'SYNC')) {
    throw syntaxError()
  }
  // Contents first: the trigger on keys then has nothing left to look for.
  store.sql('DELETE FROM fields').run()
  store.sql('DELETE FROM members').run()
  store.sql('DELETE FROM keys').run()
  return OK
})

interface ScanOptions {
  pattern: string
  count: number
  type: string | undefined
}

function scanOptions(args: string[]): ScanOptions {
  const options: ScanOptions = { pattern: '*', count: 10, type: undefined }
  for (let index = 2; index < args.length; index += 2) {
    const value = args[index + 1]
    if (value === undefined) throw syntaxError()
    const name = at(args, index).toUpperCase()
    if (name === 'MATCH') options.pattern = value
    else if (name === 'TYPE') options.type = value.toLowerCase()
    else if (name === 'COUNT') options.count = integerArgument(value)
    else throw syntaxError()
  }
  if (options.count < 1) throw syntaxError()
  return options
}

const SCAN = `SELECT id, key, type, key GLOB ? FROM keys
  WHERE id > ? AND (expires_at IS NULL OR expires_at >= ?) ORDER BY id LIMIT ?`

export const serverCommands: CommandTable = {
  ping: plain(-1, (_store, args) => {
    if (args.length > 2) throw wrongArity('ping')
    return args[1] ?? { ok: 'PONG' }
  }),

  echo: plain(2, (_store, args) => at(args, 1)),

  time: plain(1, (store) => {
    const seconds = Math.floor(store.nowMs / 1000)
    return [String(seconds), String(Math.round((store.nowMs - seconds * 1000) * 1000))]
  }),

  dbsize: read(1, (store) => {
    const count = store.sql<[number]>(
      'SELECT COUNT(*) FROM keys WHERE expires_at IS NULL OR expires_at >= ?',
    )
    return count.get(store.nowMs)?.[0] ?? 0
  }),

  flushdb: flush,
  flushall: flush,

  scan: read(-2, (store, args) => {
    const cursor = Number(at(args, 1))
    if (!Number.isSafeInteger(cursor) || cursor < 0) throw new CommandError('ERR invalid cursor')
    const { pattern, count, type } = scanOptions(args)
    const rows = store
      .sql<[number, string, number, number]>(SCAN)
      .all(pattern, cursor, store.nowMs, count)
    const found = rows.filter((row) => row[3] === 1 && (!type || TYPE_NAMES[row[2]] === type))
    const next = rows.length < count ? 0 : (rows.at(-1)?.[0] ?? 0)
    return [String(next), found.map((row) => row[1])]
  }),
}
