/** Commands on ranges of a sorted set: by index, by score and by member. */
import { type Store, ZSET } from '../keyspace.ts'
import { formatDouble, integerArgument, parseDouble } from '../numbers.ts'
import { CommandError, type Reply, syntaxError } from '../reply.ts'
import { at, type Command, type CommandTable, read, write } from './command.ts'

interface Border {
  value: number | string | Uint8Array
  open: boolean
}

interface Range {
  by: 'score' | 'member'
  min: Border
  max: Border
}

interface View {
  reverse: boolean
  withScores: boolean
  offset: number
  count: number
}

const CLOSED = { from: '>=', to: '<=' }
const OPEN = { from: '>', to: '<' }

function where({ by, min, max }: Range): string {
  const from = min.open ? OPEN.from : CLOSED.from
  const to = max.open ? OPEN.to : CLOSED.to
  return `members WHERE id = ? AND ${by} ${from} ? AND ${by} ${to} ?`
}

function scoreBorder(text: string): Border {
  const open = text.startsWith('(')
  const value = parseDouble(open ? text.slice(1) : text)
  if (value === undefined) throw new CommandError('ERR min or max is not a float')
  return { value, open }
}

// SQLite sorts every BLOB behind every TEXT, so an empty one is the border above all members.
const ABOVE_ALL = new Uint8Array(0)

function memberBorder(text: string): Border {
  if (text === '-') return { value: '', open: false }
  if (text === '+') return { value: ABOVE_ALL, open: false }
  const mark = text[0]
  if (mark === '[' || mark === '(') return { value: text.slice(1), open: mark === '(' }
  throw new CommandError('ERR min or max not valid string range item')
}

function rangeOf(by: 'score' | 'member', min: string, max: string): Range {
  const border = by === 'score' ? scoreBorder : memberBorder
  return { by, min: border(min), max: border(max) }
}

type Row = [member: string, score: number]

function shape(rows: Row[], withScores: boolean): Reply {
  if (!withScores) return rows.map((row) => row[0])
  return rows.flatMap(([member, score]) => [member, formatDouble(score)])
}

function select(store: Store, key: string, range: Range, view: View): Reply {
  const id = store.idOf(key, ZSET)
  if (id === 0 || view.offset < 0) return []
  const direction = view.reverse ? 'DESC' : 'ASC'
  const order =
    range.by === 'score' ? `score ${direction}, member ${direction}` : `member ${direction}`
  const text = `SELECT member, score FROM ${where(range)} ORDER BY ${order} LIMIT ? OFFSET ?`
  const { min, max } = range
  const rows = store.sql<Row>(text).all(id, min.value, max.value, view.count, view.offset)
  return shape(rows, view.withScores)
}

const BY_INDEX = {
  forward: `SELECT member, score FROM members WHERE id = ?
    ORDER BY score, member LIMIT ? OFFSET ?`,
  backward: `SELECT member, score FROM members WHERE id = ?
    ORDER BY score DESC, member DESC LIMIT ? OFFSET ?`,
}
const COUNT = 'SELECT COUNT(*) FROM members WHERE id = ?'

function selectByIndex(store: Store, args: string[], view: View): Reply {
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
  const text = view.reverse ? BY_INDEX.backward : BY_INDEX.forward
  return shape(store.sql<Row>(text).all(id, stop - start + 1, start), view.withScores)
}

interface Options extends View {
  by: 'index' | 'score' | 'member'
}

/** Reads the options behind the borders, where each form of the command allows its own words. */
function viewOptions(args: string[], allowed: string[]): Options {
  const view: Options = { by: 'index', reverse: false, withScores: false, offset: 0, count: -1 }
  let limited = false
  for (let index = 4; index < args.length; index++) {
    const word = at(args, index).toUpperCase()
    if (!allowed.includes(word)) throw syntaxError()
    if (word === 'WITHSCORES') view.withScores = true
    else if (word === 'REV') view.reverse = true
    else if (word === 'LIMIT') {
      if (args.length - index < 3) throw syntaxError()
      view.offset = integerArgument(at(args, ++index))
      view.count = integerArgument(at(args, ++index))
      limited = true
    } else {
      if (view.by !== 'index') throw syntaxError()
      view.by = word === 'BYSCORE' ? 'score' : 'member'
    }
  }
  if (limited && view.by === 'index' && allowed.includes('BYSCORE')) {
    throw new CommandError(
      'ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX',
    )
  }
  if (view.withScores && view.by === 'member') {
    throw new CommandError('ERR syntax error, WITHSCORES not supported in combination with BYLEX')
  }
  return view
}

const RANGE_WORDS = ['BYSCORE', 'BYLEX', 'REV', 'LIMIT', 'WITHSCORES']

/** An older form of ZRANGE, with its order and its kind of border in the name. */
const rangeBy = (by: 'score' | 'member', reverse: boolean): Command =>
  read(-4, (store, args) => {
    const view = viewOptions(args, by === 'score' ? ['LIMIT', 'WITHSCORES'] : ['LIMIT'])
    const [min, max] = reverse ? [at(args, 3), at(args, 2)] : [at(args, 2), at(args, 3)]
    return select(store, at(args, 1), rangeOf(by, min, max), { ...view, reverse })
  })

export const sortedSetRangeCommands: CommandTable = {
  zrange: read(-4, (store, args) => {
    const view = viewOptions(args, RANGE_WORDS)
    if (view.by === 'index') return selectByIndex(store, args, view)
    const [min, max] = view.reverse ? [at(args, 3), at(args, 2)] : [at(args, 2), at(args, 3)]
    return select(store, at(args, 1), rangeOf(view.by, min, max), view)
  }),

  zrangebyscore: rangeBy('score', false),
  zrevrangebyscore: rangeBy('score', true),
  zrangebylex: rangeBy('member', false),

  zcount: read(4, (store, args) => {
    const range = rangeOf('score', at(args, 2), at(args, 3))
    const id = store.idOf(at(args, 1), ZSET)
    if (id === 0) return 0
    const text = `SELECT COUNT(*) FROM ${where(range)}`
    return store.sql<[number]>(text).get(id, range.min.value, range.max.value)?.[0] ?? 0
  }),

  zremrangebyscore: write(4, (store, args) => {
    const range = rangeOf('score', at(args, 2), at(args, 3))
    const id = store.idOf(at(args, 1), ZSET)
    if (id === 0) return 0
    const text = `DELETE FROM ${where(range)}`
    const removed = Number(store.sql(text).run(id, range.min.value, range.max.value).changes)
    if (removed > 0) store.removeIfEmpty(id, ZSET)
    return removed
  }),
}
