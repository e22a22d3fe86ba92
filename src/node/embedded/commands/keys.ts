/** Commands on keys of any type: existence, type and expiry. */
import { type Store, TYPE_NAMES } from '../keyspace.ts'
import { expiryMs } from '../numbers.ts'
import { CommandError, type Reply } from '../reply.ts'
import { at, type Command, type CommandTable, read, write } from './command.ts'

function removeAll(store: Store, args: string[]): Reply {
  let removed = 0
  for (let index = 1; index < args.length; index++) {
    const row = store.find(at(args, index))
    if (row === undefined) continue
    store.remove(row[0])
    removed++
  }
  return removed
}

interface ExpiryFlags {
  NX: boolean
  XX: boolean
  GT: boolean
  LT: boolean
}

function expiryFlags(args: string[]): ExpiryFlags {
  const flags: ExpiryFlags = { NX: false, XX: false, GT: false, LT: false }
  for (let index = 3; index < args.length; index++) {
    const word = at(args, index).toUpperCase()
    if (word !== 'NX' && word !== 'XX' && word !== 'GT' && word !== 'LT') {
      throw new CommandError(`ERR Unsupported option ${at(args, index)}`)
    }
    flags[word] = true
  }
  if (flags.NX && (flags.XX || flags.GT || flags.LT)) {
    throw new CommandError('ERR NX and XX, GT or LT options at the same time are not compatible')
  }
  if (flags.GT && flags.LT) {
    throw new CommandError('ERR GT and LT options at the same time are not compatible')
  }
  return flags
}

function allows(flags: ExpiryFlags, current: number | null, next: number): boolean {
  if (flags.NX && current !== null) return false
  if (flags.XX && current === null) return false
  // A key without an expiry counts as one that lives for ever.
  if (flags.GT && (current === null || next <= current)) return false
  return !(flags.LT && current !== null && next >= current)
}

const expire = (name: string, unitMs: number, relative: boolean): Command =>
  write(-3, (store, args) => {
    const flags = expiryFlags(args)
    const when = expiryMs(at(args, 2), unitMs, relative ? store.nowMs : 0, name)
    const row = store.find(at(args, 1))
    if (row === undefined || !allows(flags, row[2], when)) return 0
    if (when <= store.nowMs) store.remove(row[0])
    else store.sql('UPDATE keys SET expires_at = ? WHERE id = ?').run(when, row[0])
    return 1
  })

const remaining = (unitMs: number): Command =>
  read(2, (store, args) => {
    const row = store.find(at(args, 1))
    if (row === undefined) return -2
    if (row[2] === null) return -1
    return unitMs === 1 ? row[2] - store.nowMs : Math.floor((row[2] - store.nowMs + 500) / 1000)
  })

export const keyCommands: CommandTable = {
  del: write(-2, removeAll),
  unlink: write(-2, removeAll),

  exists: read(-2, (store, args) => {
    let found = 0
    for (let index = 1; index < args.length; index++) {
      if (store.find(at(args, index)) !== undefined) found++
    }
    return found
  }),

  type: read(2, (store, args) => ({ ok: TYPE_NAMES[store.find(at(args, 1))?.[1] ?? 0] ?? 'none' })),

  expire: expire('expire', 1000, true),
  pexpire: expire('pexpire', 1, true),
  expireat: expire('expireat', 1000, false),
  pexpireat: expire('pexpireat', 1, false),
  ttl: remaining(1000),
  pttl: remaining(1),

  persist: write(2, (store, args) => {
    const row = store.find(at(args, 1))
    if (row === undefined || row[2] === null) return 0
    store.sql('UPDATE keys SET expires_at = NULL WHERE id = ?').run(row[0])
    return 1
  }),
}
