/** Converts between the words and replies of the engine and the values of Lua, by the rules of Redis. */
import { CommandError, type Reply } from '../reply.ts'
import { type Budget, steps } from './limits.ts'
import { toText } from './operators.ts'
import { declareField, Table, type Value } from './table.ts'

const ERR = declareField('err')
const OK = declareField('ok')
const DEEPEST = 1_000
const INT64_LIMIT = 2 ** 63
const SHORT = 48
const ASCII = 128

/** Whether all bytes of the text are the same in UTF-8. */
function isAscii(text: string): boolean {
  if (text.length > SHORT) return Buffer.byteLength(text) === text.length
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) >= ASCII) return false
  }
  return true
}

/** The UTF-8 bytes of a text, one character for each. */
export const toBytes = (text: string): string =>
  isAscii(text) ? text : Buffer.from(text).toString('latin1')

/** The text that these bytes are in UTF-8. */
export const fromBytes = (bytes: string): string =>
  isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')

/** The table that stands for an error reply; its text is in bytes. */
export function errorTable(message: string): Table {
  const table = new Table([])
  table[ERR] = message
  return table
}

/** The table that stands for a status reply. */
export function statusTable(status: string): Table {
  const table = new Table([])
  table[OK] = status
  return table
}

export function textList(texts: string[]): Table {
  return new Table(texts.map(toBytes))
}

/** A reply as a script sees it: nil becomes false, a status becomes a table. */
export function toValue(reply: Reply, budget: Budget): Value {
  if (typeof reply === 'string') {
    budget.left -= reply.length / steps.bytesPerStep
    return toBytes(reply)
  }
  if (typeof reply === 'number') return reply
  if (reply === null) return false
  budget.left -= steps.table
  if (!Array.isArray(reply)) return statusTable(toBytes(reply.ok))
  budget.left -= steps.item * reply.length
  return new Table(reply.map((item) => toValue(item, budget)))
}

/** The value of a script as a reply. @throws CommandError where it is an error. */
export function toReply(value: Value, depth = 0): Reply {
  if (depth > DEEPEST) throw new CommandError('ERR reached lua stack limit')
  if (typeof value === 'string') return fromBytes(value)
  if (typeof value === 'number') return toInteger(value)
  if (typeof value === 'boolean') return value ? 1 : null
  return value instanceof Table ? fromTable(value, depth) : null
}

function fromTable(table: Table, depth: number): Reply {
  const error = toText(table[ERR])
  if (error !== undefined) {
    if (depth === 0) throw new CommandError(oneLine(fromBytes(error)))
    return oneLine(fromBytes(error))
  }
  const status = toText(table[OK])
  if (status !== undefined) return { ok: oneLine(fromBytes(status)) }
  const items: Reply[] = []
  for (let index = 1; ; index++) {
    const value = table.item(index)
    if (value === undefined) return items
    items.push(toReply(value, depth + 1))
  }
}

/** Cuts the fraction off; a number beyond 64 bits becomes the lowest integer, as in C. */
function toInteger(value: number): number {
  if (!(Math.abs(value) < INT64_LIMIT)) return -INT64_LIMIT
  return Math.trunc(value) + 0
}

/** In the protocol, error and status lines end at a line break, so they contain none. */
export const oneLine = (text: string) => text.replace(/[\r\n]/g, ' ')
