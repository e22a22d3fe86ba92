/** Commands on ranges of a sorted set: by index, by score and by member. */
import { type Store, ZSET } from '../keyspace.ts'
import { formatDouble, integerArgument, parseDouble } from '../numbers.ts'
import { CommandError, type Reply, syntaxError } from '../reply.ts'
import { at, type CommandTable, read } from './command.ts'

/** One end of a range. */
interface Bound {
  value: number | string | Uint8Array
  isExclusive: boolean
}

interface Range {
  by: 'score' | 'member'
  min: Bound
  max: Bound
}

interface View {
  reverse: boolean
  offset: number
  count: number
}

type Row = [member: string, score: number]

const memberOf = (row: Row) => row[0]

function where({ by, min, max }: Range): string {
  const from = min.isExclusive ? '>' : '>='
  const to = max.isExclusive ? '<' : '<='
  return `members WHERE id = ? AND ${by} ${from} ? AND ${by} ${to} ?`
}

function scoreBound(text: string): Bound {
  const isExclusive = text.startsWith('(')
  const value = parseDouble(isExclusive ? text.slice(1) : text)
  if (value === undefined) throw new CommandError('ERR min or max is not a float')
  return { value, isExclusive }
}

// SQLite sorts every BLOB behind every TEXT, so an empty one is the bound above all members.
const ABOVE_ALL = new Uint8Array(0)

function memberBound(text: string): Bound {
  if (text === '-') return { value: '', isExclusive: false }
  if (text === '+') return { value: ABOVE_ALL, isExclusive: false }
  const mark = text[0]
  if (mark === '[' || mark === '(') return { value: text.slice(1), isExclusive: mark === '(' }
  throw new CommandError('ERR min or max not valid string range item')
}

const scoreRange = (min: string, max: string): Range => ({
  by: 'score',
  min: scoreBound(min),
  max: scoreBound(max),
})

const memberRange = (min: string, max: string): Range => ({
  by: 'member',
  min: memberBound(min),
  max: memberBound(max),
})

function select(store: Store, key: string, range: Range, view: View): Reply {
  const id = store.idOf(key, ZSET)
  if (id === 0 || view.offset < 0) return []
  const direction = view.reverse ? 'DESC' : 'ASC'
  const order =
    range.by === 'score' ? `score ${direction}, member ${direction}` : `member ${direction}`
  const text = `SELECT member, score FROM ${where(range)} ORDER BY ${order} LIMIT ? OFFSET ?`
  const { min, max } = range
  return store.sql<Row>(text).all(id, min.value, max.value, view.count, view.offset).map(memberOf)
}

const BY_INDEX = {
  forward: `SELECT member, score FROM members WHERE id = ?
    ORDER BY score, member LIMIT ? OFFSET ?`,
  backward: `SELECT member, score FROM members WHERE id = ?
    ORDER BY score DESC, member DESC LIMIT ? OFFSET ?`,
}
const COUNT = 'SELECT COUNT(*) FROM members WHERE id = ?'

function selectByIndex(store: Store, args: string[], reverse: boolean): Row[] {
  let start = integerArgument(at(args, 2))
  let stop = integerArgument(at(args, 3))
  const id = store.idOf(at(args, 1), ZSET)
  if (id === 0) return []
  if (start < 0 || stop < 0) {
    const length = store.sql<[number]>(COUNT).get(id)?.[0] ?? 0
    start = start < 0 ? Math.max(0, length + start) : start
    stop = stop < 0 ? length + stop : stop
  }
  if (stop < start) return []
  return store.sql<Row>(BY_INDEX[reverse ? 'backward' : 'forward']).all(id, stop - start + 1, start)
}

interface Options extends View {
  byMember: boolean
  isLimited: boolean
  withScores: boolean
}

/** Reads the options behind the bounds; those that this form of the command lacks are refused. */
function rangeOptions(args: string[], allowed: string[]): Options {
  const options = {
    byMember: false,
    reverse: false,
    withScores: false,
    isLimited: false,
    offset: 0,
    count: -1,
  }
  for (let index = 4; index < args.length; index++) {
    const word = at(args, index).toUpperCase()
    if (!allowed.includes(word)) throw syntaxError()
    if (word === 'BYLEX') options.byMember = true
    else if (word === 'REV') options.reverse = true
    else if (word === 'WITHSCORES') options.withScores = true
    else {
      if (args.length - index < 3) throw syntaxError()
      options.isLimited = true
      options.offset = integerArgument(at(args, ++index))
      options.count = integerArgument(at(args, ++index))
    }
  }
  return options
}

/** @throws CommandError for options of ZRANGE that exclude each other. */
function checkRange({ byMember, isLimited, withScores }: Options): void {
  if (isLimited && !byMember) {
    throw new CommandError(
      'ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX',
    )
  }
  if (withScores && byMember) {
    throw new CommandError('ERR syntax error, WITHSCORES not supported in combination with BYLEX')
  }
}

export const sortedSetRangeCommands: CommandTable = {
  zrange: read(-4, (store, args) => {
    const options = rangeOptions(args, ['BYLEX', 'REV', 'LIMIT', 'WITHSCORES'])
    checkRange(options)
    if (!options.byMember) {
      const rows = selectByIndex(store, args, options.reverse)
      return options.withScores
        ? rows.flatMap(([member, score]) => [member, formatDouble(score)])
        : rows.map(memberOf)
    }
    const [min, max] = options.reverse ? [at(args, 3), at(args, 2)] : [at(args, 2), at(args, 3)]
    return select(store, at(args, 1), memberRange(min, max), options)
  }),

  zrangebyscore: read(-4, (store, args) => {
    const options = rangeOptions(args, ['LIMIT'])
    return select(store, at(args, 1), scoreRange(at(args, 2), at(args, 3)), options)
  }),

  zcount: read(4, (store, args) => {
    const range = scoreRange(at(args, 2), at(args, 3))
    const id = store.idOf(at(args, 1), ZSET)
    if (id === 0) return 0
    const text = `SELECT COUNT(*) FROM ${where(range)}`
    return store.sql<[number]>(text).get(id, range.min.value, range.max.value)?.[0] ?? 0
  }),
}
