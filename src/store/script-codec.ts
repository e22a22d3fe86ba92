/** Turns the input of a script into texts, and the texts of its reply into values that were checked. */
import type { Fields, KeyRows, Replies, ReplyOf, Scalar } from './script-declaration.ts'
import { isList, isScalar } from './script-prologue.ts'

type Given = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Given => typeof value === 'object' && value !== null

const recordsOf = (value: unknown): Given[] => (Array.isArray(value) ? value.filter(isRecord) : [])

/** The keys in the order in which the prologue reads them. */
export function encodeKeys(
  { keys, keyRows = {} }: { keys: readonly string[]; keyRows?: KeyRows },
  given: Given,
): string[] {
  const rows = Object.entries(keyRows).flatMap(([list, names]) =>
    recordsOf(given[list]).flatMap((row) => names.map((name) => String(row[name]))),
  )
  return [...keys.map((name) => String(given[name])), ...rows]
}

/** The arguments in the order in which the prologue reads them. */
export function encodeArgs(
  { args, argRows = {} }: { args: Fields; argRows?: Readonly<Record<string, Fields>> },
  given: Given,
): string[] {
  const texts = encodeFields(args, given)
  for (const [list, fields] of Object.entries(argRows)) {
    const rows = recordsOf(given[list])
    texts.push(String(rows.length))
    for (const row of rows) texts.push(...encodeFields(fields, row))
  }
  return texts
}

function encodeFields(fields: Fields, given: Given): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const value = given[name]
    if (!isScalar(field)) return isList(field) || !isRecord(value) ? [] : encodeFields(field, value)
    return field === 'flag' ? [value === true ? '1' : '0'] : [String(value)]
  })
}

/** Reads a reply. @throws Error when it does not have the declared form. */
export function decodeReply<Answers extends Replies>(
  { replies }: { replies: Answers },
  raw: unknown,
): ReplyOf<Answers> {
  const [kind, ...values] = Array.isArray(raw) ? raw : []
  const fields =
    typeof kind === 'string' && Object.hasOwn(replies, kind) ? replies[kind] : undefined
  if (!fields) throw unexpected()
  // Each field was checked by its declaration, from which this very type is derived.
  return { kind, ...decodeFields(fields, values) } as ReplyOf<Answers>
}

function decodeFields(fields: Fields, values: unknown[]): Record<string, unknown> {
  const entries = Object.entries(fields)
  if (entries.length !== values.length) throw unexpected()
  return Object.fromEntries(entries.map(([name, field], i) => [name, decode(field, values[i])]))
}

function decode(field: Fields[string], value: unknown): unknown {
  if (isScalar(field)) return decodeScalar(field, value)
  if (!isList(field) || !Array.isArray(value)) throw unexpected()
  const [row] = field
  return value.map((entry: unknown) => decodeFields(row, Array.isArray(entry) ? entry : []))
}

function decodeScalar(field: Scalar, value: unknown): unknown {
  if (field === 'texts') {
    if (Array.isArray(value)) return value.map(String)
    throw unexpected()
  }
  if (typeof value !== 'string') throw unexpected()
  if (field === 'flag') return value === '1'
  if (field === 'number') {
    if (/^-?\d+$/.test(value)) return Number(value)
    throw unexpected()
  }
  if (field === 'text' || field.oneOf.includes(value)) return value
  if (field.otherwise === undefined) throw unexpected()
  return field.otherwise
}

const unexpected = () => new Error('The store answered a script in a form that it does not have')
