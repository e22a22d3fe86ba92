/** Commands on keys of any type: existence and expiry. */
import { expiryMs } from '../numbers.ts'
import { at, type CommandTable, read, write } from './command.ts'

export const keyCommands: CommandTable = {
  del: write(-2, (store, args) => {
    let removed = 0
    for (let index = 1; index < args.length; index++) {
      const row = store.find(at(args, index))
      if (row === undefined) continue
      store.remove(row[0])
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
    const row = store.find(at(args, 1))
    if (row === undefined) return 0
    if (expiresAtMs <= store.nowMs) store.remove(row[0])
    else store.sql('UPDATE keys SET expires_at = ? WHERE id = ?').run(expiresAtMs, row[0])
    return 1
  }),

  pttl: read(2, (store, args) => {
    const row = store.find(at(args, 1))
    if (row === undefined) return -2
    return row[2] === null ? -1 : row[2] - store.nowMs
  }),
}
