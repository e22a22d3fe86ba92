/** Commands on sorted sets that touch single members: adding, removing, scores and ranks. */
import { type Store, ZSET } from '../keyspace.ts'
import { formatDouble, parseDouble, parseInteger } from '../numbers.ts'
import { CommandError, type Reply, syntaxError } from '../reply.ts'
import { at, type CommandTable, read, write } from './command.ts'

const SCORE = 'SELECT score FROM members WHERE id = ? AND member = ?'
const INSERT = 'INSERT INTO members (id, member, score) VALUES (?, ?, ?)'
const UPDATE = 'UPDATE members SET score = ?3 WHERE id = ?1 AND member = ?2'
const DELETE = 'DELETE FROM members WHERE id = ? AND member = ?'
const COUNT = 'SELECT COUNT(*) FROM members WHERE id = ?'
const LOWEST = `SELECT member, score FROM members WHERE id = ?
  ORDER BY score, member LIMIT ?`
const RANK = `SELECT COUNT(*) FROM members
  WHERE id = ?1 AND (score < ?2 OR (score = ?2 AND member < ?3))`

function scoreOf(store: Store, id: number, member: string): number | undefined {
  return id === 0 ? undefined : store.sql<[number]>(SCORE).get(id, member)?.[0]
}

function scoreArgument(text: string): number {
  const score = parseDouble(text)
  if (score === undefined) throw new CommandError('ERR value is not a valid float')
  return score
}

interface AddFlags {
  NX: boolean
  XX: boolean
  GT: boolean
  LT: boolean
  CH: boolean
  INCR: boolean
}

const isFlag = (word: string, flags: AddFlags): word is keyof AddFlags => Object.hasOwn(flags, word)

function addFlags(args: string[]): { flags: AddFlags; first: number } {
  const flags = { NX: false, XX: false, GT: false, LT: false, CH: false, INCR: false }
  let first = 2
  for (; first < args.length; first++) {
    const word = at(args, first).toUpperCase()
    if (!isFlag(word, flags)) break
    flags[word] = true
  }
  return { flags, first }
}

function checkAdd(flags: AddFlags, words: number): void {
  if (words === 0 || words % 2 !== 0) throw syntaxError()
  if (flags.NX && flags.XX) {
    throw new CommandError('ERR XX and NX options at the same time are not compatible')
  }
  if ((flags.GT && flags.LT) || (flags.NX && (flags.GT || flags.LT))) {
    throw new CommandError('ERR GT, LT, and/or NX options at the same time are not compatible')
  }
  if (flags.INCR && words > 2) {
    throw new CommandError('ERR INCR option supports a single increment-element pair')
  }
}

/** The score that the flags let a member take, or nothing where they refuse the change. */
function nextScore(flags: AddFlags, old: number | undefined, given: number): number | undefined {
  if (old === undefined) return flags.XX ? undefined : given
  if (flags.NX) return undefined
  const score = flags.INCR ? old + given : given
  if (Number.isNaN(score)) throw new CommandError('ERR resulting score is not a number (NaN)')
  if ((flags.GT && score <= old) || (flags.LT && score >= old)) return undefined
  return score
}

function add(store: Store, key: string, flags: AddFlags, pairs: [number, string][]): Reply {
  let id = store.idOf(key, ZSET)
  let added = 0
  let changed = 0
  let last: number | undefined
  for (const [given, member] of pairs) {
    const old = scoreOf(store, id, member)
    last = nextScore(flags, old, given)
    if (last === undefined || last === old) continue
    // Only now: a key without members must not come to be.
    id ||= store.obtain(key, ZSET)
    store.sql(old === undefined ? INSERT : UPDATE).run(id, member, last)
    if (old === undefined) added++
    else changed++
  }
  if (flags.INCR) return last === undefined ? null : formatDouble(last)
  return flags.CH ? added + changed : added
}

const INCREMENT: AddFlags = { NX: false, XX: false, GT: false, LT: false, CH: false, INCR: true }

export const sortedSetCommands: CommandTable = {
  zadd: write(-4, (store, args) => {
    const { flags, first } = addFlags(args)
    checkAdd(flags, args.length - first)
    const pairs: [number, string][] = []
    for (let index = first; index < args.length; index += 2) {
      pairs.push([scoreArgument(at(args, index)), at(args, index + 1)])
    }
    return add(store, at(args, 1), flags, pairs)
  }),

  zincrby: write(4, (store, args) =>
    add(store, at(args, 1), INCREMENT, [[scoreArgument(at(args, 2)), at(args, 3)]]),
  ),

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

  zmscore: read(-3, (store, args) => {
    const id = store.idOf(at(args, 1), ZSET)
    return args.slice(2).map((member) => {
      const score = scoreOf(store, id, member)
      return score === undefined ? null : formatDouble(score)
    })
  }),

  zcard: read(2, (store, args) => {
    const id = store.idOf(at(args, 1), ZSET)
    return id === 0 ? 0 : (store.sql<[number]>(COUNT).get(id)?.[0] ?? 0)
  }),

  zrank: read(3, (store, args) => {
    const id = store.idOf(at(args, 1), ZSET)
    const score = scoreOf(store, id, at(args, 2))
    if (score === undefined) return null
    return store.sql<[number]>(RANK).get(id, score, at(args, 2))?.[0] ?? 0
  }),
}
