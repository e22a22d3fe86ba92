/** Commands on sorted sets that touch single members: adding, removing and scores. */
import { type Store, ZSET } from '../keyspace.ts'
import { formatDouble, parseDouble, parseInteger } from '../numbers.ts'
import { CommandError, syntaxError } from '../reply.ts'
import { at, type CommandTable, read, write } from './command.ts'

const SCORE = 'SELECT score FROM members WHERE id = ? AND member = ?'
const INSERT = 'INSERT INTO members (id, member, score) VALUES (?, ?, ?)'
const UPDATE = 'UPDATE members SET score = ?3 WHERE id = ?1 AND member = ?2'
const DELETE = 'DELETE FROM members WHERE id = ? AND member = ?'
const COUNT = 'SELECT COUNT(*) FROM members WHERE id = ?'
const LOWEST = `SELECT member, score FROM members WHERE id = ?
  ORDER BY score, member LIMIT ?`

function scoreOf(store: Store, id: number, member: string): number | undefined {
  return id === 0 ? undefined : store.sql<[number]>(SCORE).get(id, member)?.[0]
}

function scoreArgument(text: string): number {
  const score = parseDouble(text)
  if (score === undefined) throw new CommandError('ERR value is not a valid float')
  return score
}

/** The scores and members of ZADD; all are checked before any is written. */
function scorePairs(args: string[]): [score: number, member: string][] {
  if (args.length % 2 !== 0) throw syntaxError()
  const pairs: [number, string][] = []
  for (let index = 2; index < args.length; index += 2) {
    pairs.push([scoreArgument(at(args, index)), at(args, index + 1)])
  }
  return pairs
}

export const sortedSetCommands: CommandTable = {
  zadd: write(-4, (store, args) => {
    const pairs = scorePairs(args)
    const id = store.obtain(at(args, 1), ZSET)
    let added = 0
    for (const [score, member] of pairs) {
      const old = scoreOf(store, id, member)
      if (old === undefined) added++
      if (score !== old) store.sql(old === undefined ? INSERT : UPDATE).run(id, member, score)
    }
    return added
  }),

  zrem: write(-3, (store, args) => {
    const id = store.idOf(at(args, 1), ZSET)
    if (id === 0) return 0
    let removed = 0
    for (let index = 2; index < args.length; index++) {
      removed += Number(store.sql(DELETE).run(id, at(args, index)).changes)
    }
    if (removed > 0) store.removeIfEmpty(id, ZSET)
    return removed
  }),

  zpopmin: write(-2, (store, args) => {
    if (args.length > 3) throw syntaxError()
    const count = parseInteger(args[2] ?? '1')
    if (count === undefined || count < 0) {
      throw new CommandError('ERR value is out of range, must be positive')
    }
    const id = store.idOf(at(args, 1), ZSET)
    if (id === 0 || count === 0) return []
    const rows = store.sql<[string, number]>(LOWEST).all(id, count)
    for (const [member] of rows) store.sql(DELETE).run(id, member)
    store.removeIfEmpty(id, ZSET)
    return rows.flatMap(([member, score]) => [member, formatDouble(score)])
  }),

  zscore: read(3, (store, args) => {
    const score = scoreOf(store, store.idOf(at(args, 1), ZSET), at(args, 2))
    return score === undefined ? null : formatDouble(score)
  }),

  zcard: read(2, (store, args) => {
    const id = store.idOf(at(args, 1), ZSET)
    return id === 0 ? 0 : (store.sql<[number]>(COUNT).get(id)?.[0] ?? 0)
  }),
}
