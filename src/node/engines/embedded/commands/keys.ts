/** Commands on keys of any type: existence and expiry. */
import { expiryMs } from '../numbers.ts'
import { at, type CommandTable, read, write } from './command.ts'

export const keyCommands: CommandTable = {
  del: write(-2, (store, args) => {
    let removed = 0
    for (let index = 1; index < args.length; index++) {
      const entry = store.find(at(args, index))
      if (entry === undefined) continue
      store.remove(entry)
      removed++
    }
    return removed
  }),

  exists: read(-2, (store, args) => {
    let found = 0
    for (let index = 1; index < args.length; index++) {
      if (store.find(at(args, index)) !== undefined) found++
    }
    return found
  }),

  pexpire: write(3, (store, args) => {
    const expiresAtMs = expiryMs(at(args, 2), 1, store.nowMs, 'pexpire')
    const entry = store.find(at(args, 1))
    if (entry === undefined) return 0
    if (expiresAtMs <= store.nowMs) store.remove(entry)
    else store.expire(entry, expiresAtMs)
    return 1
  }),

  pttl: read(2, (store, args) => {
    const entry = store.find(at(args, 1))
    if (entry === undefined) return -2
    return entry.expiresAtMs === null ? -1 : entry.expiresAtMs - store.nowMs
  }),
}
