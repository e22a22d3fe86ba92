/** Every command of the data model by name, and the checks that precede each call. */
import type { Store } from '../keyspace.ts'
import { CommandError, type Reply, wrongArity } from '../reply.ts'
import { at, type Command, type CommandTable } from './command.ts'
import { hashCommands } from './hashes.ts'
import { keyCommands } from './keys.ts'
import { scanCommands } from './scan.ts'
import { serverCommands } from './server.ts'
import { sortedSetRangeCommands } from './sorted-set-ranges.ts'
import { sortedSetCommands } from './sorted-sets.ts'
import { stringCommands } from './strings.ts'

/** Finds commands by name in either case; the usual spellings cost no conversion. */
export function createLookup(...tables: CommandTable[]): (name: string) => Command | undefined {
  const commands = new Map<string, Command>()
  for (const table of tables) {
    for (const [name, command] of Object.entries(table)) {
      commands.set(name, command).set(name.toUpperCase(), command)
    }
  }
  return (name) => commands.get(name) ?? commands.get(name.toLowerCase())
}

/** The commands that scripts may call as well as clients. */
export const dataCommands: CommandTable = {
  ...serverCommands,
  ...keyCommands,
  ...scanCommands,
  ...stringCommands,
  ...hashCommands,
  ...sortedSetCommands,
  ...sortedSetRangeCommands,
}

const accepts = ({ arity }: Command, words: number) =>
  arity < 0 ? words >= -arity : words === arity

/** The command that a client asks for; throws Redis's own words where it cannot be called. */
export function resolve(lookup: (name: string) => Command | undefined, args: string[]): Command {
  const name = at(args, 0)
  const command = lookup(name)
  // Redis adds the arguments here; they may contain secrets, and error texts reach logs.
  if (command === undefined) {
    throw new CommandError(`ERR unknown command '${name.slice(0, 128)}'`)
  }
  if (!accepts(command, args.length)) throw wrongArity(name.toLowerCase())
  return command
}

const lookupForScript = createLookup(dataCommands)
const NOT_IN_SCRIPTS = ['eval', 'evalsha', 'script', 'multi', 'exec', 'discard', 'watch']

/** Runs a command for a script, inside the transaction of the script. */
export function callFromScript(store: Store, args: string[]): Reply {
  const name = at(args, 0)
  const command = lookupForScript(name)
  if (command === undefined) {
    throw new CommandError(
      NOT_IN_SCRIPTS.includes(name.toLowerCase())
        ? 'ERR This Redis command is not allowed from script'
        : 'ERR Unknown Redis command called from script',
    )
  }
  if (!accepts(command, args.length)) {
    throw new CommandError('ERR Wrong number of args calling Redis command from script')
  }
  return command.run(store, args)
}
