/** SCAN: walks through the names of all keys, some with each call. */
import { syntaxError } from '../reply.ts'
import { at, type CommandTable, read } from './command.ts'

/** Its cursor is the row of the last key; of patterns it has those that end in a star and have no other wildcard. */
export const scanCommands: CommandTable = {
  scan: read(-2, (store, args) => {
    const { prefix, count } = readOptions(args)
    const rows = store.names(Number(at(args, 1)), count)
    const last = rows.length < count ? undefined : rows.at(-1)
    const keys = rows.map(([, key]) => key).filter((key) => key.startsWith(prefix))
    return [String(last?.[0] ?? 0), keys.filter((key) => store.find(key) !== undefined)]
  }),
}

function readOptions(args: string[]): { prefix: string; count: number } {
  const options = { prefix: '', count: 10 }
  for (let index = 2; index < args.length; index += 2) {
    const name = at(args, index).toLowerCase()
    const value = at(args, index + 1)
    if (name === 'match' && /^[^*?[\\]*\*$/.test(value)) options.prefix = value.slice(0, -1)
    else if (name === 'count' && Number(value) > 0) options.count = Number(value)
    else throw syntaxError()
  }
  return options
}
