/** Commands on sorted sets that touch single members: adding, removing and scores. */
import { formatDouble, parseDouble, parseInteger } from '../numbers.ts'
import { CommandError, syntaxError } from '../reply.ts'
import { at, type CommandTable, read, write } from './command.ts'

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
    const entry = store.obtainSortedSet(at(args, 1))
    let added = 0
    for (const [score, member] of pairs) {
      if (store.setMember(entry, member, score)) added++
    }
    return added
  }),

  zrem: write(-3, (store, args) => {
    const entry = store.findSortedSet(at(args, 1))
    if (entry === undefined) return 0
    let removed = 0
    for (let index = 2; index < args.length; index++) {
      if (store.removeMember(entry, at(args, index))) removed++
    }
    store.removeIfEmpty(entry)
    return removed
  }),

  zpopmin: write(-2, (store, args) => {
    if (args.length > 3) throw syntaxError()
    const count = parseInteger(args[2] ?? '1')
    if (count === undefined || count < 0) {
      throw new CommandError('ERR value is out of range, must be positive')
    }
    const entry = store.findSortedSet(at(args, 1))
    if (entry === undefined) return []
    const popped = entry.contents.items.slice(0, Number(count))
    for (const { member } of popped) store.removeMember(entry, member)
    store.removeIfEmpty(entry)
    return popped.flatMap(({ member, score }) => [member, formatDouble(score)])
  }),

  zscore: read(3, (store, args) => {
    const score = store.findSortedSet(at(args, 1))?.contents.scoreOf(at(args, 2))
    return score === undefined ? null : formatDouble(score)
  }),

  zcard: read(2, (store, args) => store.findSortedSet(at(args, 1))?.contents.size ?? 0),
}
