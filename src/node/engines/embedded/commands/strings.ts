/** Commands on strings. */
import type { Store } from '../keyspace.ts'
import { expiryMs, integerArgument, invalidExpiry } from '../numbers.ts'
import { OK, type Reply, syntaxError } from '../reply.ts'
import { at, type CommandTable, read, write } from './command.ts'

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
  if (onlyIfAbsent && store.find(key) !== undefined) return null
  store.setString(key, at(args, 2), expiresAtMs)
  return OK
}

export const stringCommands: CommandTable = {
  get: read(2, (store, args) => store.findString(at(args, 1)) ?? null),

  set: write(-3, set),

  mget: read(-2, (store, args) =>
    args.slice(1).map((key) => {
      // MGET answers nil for a key of another type instead of failing.
      const contents = store.find(key)?.contents
      return typeof contents === 'string' ? contents : null
    }),
  ),
}
