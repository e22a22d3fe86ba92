/** Commands on ranges of a sorted set: by index, by score and by member. */
import type { Store } from '../keyspace.ts'
import { formatDouble, integerArgument, parseDouble } from '../numbers.ts'
import { CommandError, type Reply, syntaxError } from '../reply.ts'
import { compareText, type Item, type SortedSet } from '../sorted-set.ts'
import { at, type CommandTable, read } from './command.ts'

/** One end of a range. */
interface Bound {
  /** Below 0 for an item before the bound, 0 for one at it. */
  compare(item: Item): number
  isExclusive: boolean
}

interface Range {
  min: Bound
  max: Bound
}

interface View {
  reverse: boolean
  offset: number
  count: number
}

const memberOf = ({ member }: Item) => member

function scoreBound(text: string): Bound {
  const isExclusive = text.startsWith('(')
  const value = parseDouble(isExclusive ? text.slice(1) : text)
  if (value === undefined) throw new CommandError('ERR min or max is not a float')
  return { compare: ({ score }) => (score === value ? 0 : score - value), isExclusive }
}

function memberBound(text: string): Bound {
  if (text === '-') return { compare: () => 1, isExclusive: false }
  if (text === '+') return { compare: () => -1, isExclusive: false }
  const mark = text[0]
  if (mark !== '[' && mark !== '(') {
    throw new CommandError('ERR min or max not valid string range item')
  }
  const value = text.slice(1)
  return { compare: ({ member }) => compareText(member, value), isExclusive: mark === '(' }
}

const scoreRange = (min: string, max: string): Range => ({
  min: scoreBound(min),
  max: scoreBound(max),
})

const memberRange = (min: string, max: string): Range => ({
  min: memberBound(min),
  max: memberBound(max),
})

/** The indices of the first item in the range, and of the first one behind it. */
function limitsOf(set: SortedSet, { min, max }: Range): [start: number, end: number] {
  const start = set.firstIndex((item) => {
    const place = min.compare(item)
    return place < 0 || (place === 0 && min.isExclusive)
  })
  const end = set.firstIndex((item) => {
    const place = max.compare(item)
    return place < 0 || (place === 0 && !max.isExclusive)
  })
  return [start, Math.max(start, end)]
}

/** Items by index, up to and without `end`; of the reverse order when asked. */
function slice({ items }: SortedSet, start: number, end: number, reverse: boolean): Item[] {
  if (!reverse) return items.slice(start, end)
  return items.slice(Math.max(0, items.length - end), items.length - start).reverse()
}

function select(store: Store, key: string, range: Range, view: View): Reply {
  const set = store.findSortedSet(key)?.contents
  if (set === undefined || view.offset < 0) return []
  const [first, behind] = limitsOf(set, range)
  const [from, to] = view.reverse ? [set.size - behind, set.size - first] : [first, behind]
  const start = Math.min(to, from + view.offset)
  const end = view.count < 0 ? to : Math.min(to, start + view.count)
  return slice(set, start, end, view.reverse).map(memberOf)
}

function selectByIndex(store: Store, args: string[], reverse: boolean): Item[] {
  const start = integerArgument(at(args, 2))
  const stop = integerArgument(at(args, 3))
  const set = store.findSortedSet(at(args, 1))?.contents
  if (set === undefined) return []
  const first = start < 0 ? Math.max(0, set.size + start) : start
  const end = Math.min(set.size, (stop < 0 ? set.size + stop : stop) + 1)
  return first < end ? slice(set, first, end, reverse) : []
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
      const items = selectByIndex(store, args, options.reverse)
      return options.withScores
        ? items.flatMap(({ member, score }) => [member, formatDouble(score)])
        : items.map(memberOf)
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
    const set = store.findSortedSet(at(args, 1))?.contents
    if (set === undefined) return 0
    const [start, end] = limitsOf(set, range)
    return end - start
  }),
}
