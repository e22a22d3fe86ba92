/** Commands about the server and the whole keyspace. */
import { OK, syntaxError, wrongArity } from '../reply.ts'
import { type CommandTable, plain, write } from './command.ts'

export const serverCommands: CommandTable = {
  ping: plain(-1, (_store, args) => {
    if (args.length > 2) throw wrongArity('ping')
    return args[1] ?? { ok: 'PONG' }
  }),

  time: plain(1, (store) => {
    const seconds = Math.floor(store.nowMs / 1000)
    return [String(seconds), String(Math.round((store.nowMs - seconds * 1000) * 1000))]
  }),

  flushall: write(-1, (store, args) => {
    if (args.length > 1) throw syntaxError()
    store.clear()
    return OK
  }),
}
