/** Commands on hashes. */
import { addIntegers, parseInteger } from '../numbers.ts'
import { notInteger, type Reply, wrongArity } from '../reply.ts'
import { at, type CommandTable, read, write } from './command.ts'

export const hashCommands: CommandTable = {
  hget: read(3, (store, args) => store.findHash(at(args, 1))?.contents.get(at(args, 2)) ?? null),

  hmget: read(-3, (store, args) => {
    const hash = store.findHash(at(args, 1))?.contents
    const values: Reply[] = []
    for (let index = 2; index < args.length; index++) {
      values.push(hash?.get(at(args, index)) ?? null)
    }
    return values
  }),

  hset: write(-4, (store, args) => {
    if (args.length % 2 !== 0) throw wrongArity('hset')
    const entry = store.obtainHash(at(args, 1))
    let added = 0
    for (let index = 2; index < args.length; index += 2) {
      if (store.setField(entry, at(args, index), at(args, index + 1))) added++
    }
    return added
  }),

  hsetnx: write(4, (store, args) => {
    const entry = store.obtainHash(at(args, 1))
    if (entry.contents.has(at(args, 2))) return 0
    store.setField(entry, at(args, 2), at(args, 3))
    return 1
  }),

  hincrby: write(4, (store, args) => {
    if (parseInteger(at(args, 3)) === undefined) throw notInteger()
    const key = at(args, 1)
    const field = at(args, 2)
    const current = store.findHash(key)?.contents.get(field) ?? '0'
    const sum = addIntegers(current, at(args, 3), 'ERR hash value is not an integer')
    store.setField(store.obtainHash(key), field, String(sum))
    return Number(sum)
  }),

  hdel: write(-3, (store, args) => {
    const entry = store.findHash(at(args, 1))
    if (entry === undefined) return 0
    let removed = 0
    for (let index = 2; index < args.length; index++) {
      if (store.removeField(entry, at(args, index))) removed++
    }
    store.removeIfEmpty(entry)
    return removed
  }),

  hexists: read(3, (store, args) =>
    store.findHash(at(args, 1))?.contents.has(at(args, 2)) ? 1 : 0,
  ),

  hgetall: read(2, (store, args) => {
    const flat: Reply[] = []
    for (const [field, value] of store.findHash(at(args, 1))?.contents ?? []) {
      flat.push(field, value)
    }
    return flat
  }),

  hkeys: read(2, (store, args) => [...(store.findHash(at(args, 1))?.contents.keys() ?? [])]),
}
