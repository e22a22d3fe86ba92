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
  const texts: string[] = []
  writerOf(args)(given, texts)
  for (const [list, fields] of Object.entries(argRows)) {
    const rows = recordsOf(given[list])
    texts.push(String(rows.length))
    const write = writerOf(fields)
    for (const row of rows) write(row, texts)
  }
  return texts
}

/** Writes the texts of a record. */
type Writer = (given: Given, texts: string[]) => void

/** Made once for each declaration, since the names of its fields do not change. */
const writers = new WeakMap<Fields, Writer>()

function writerOf(fields: Fields): Writer {
  const known = writers.get(fields)
  if (known) return known
  const parts = Object.entries(fields).map(([name, field]) => writerOfField(name, field))
  const writer: Writer = (given, texts) => {
    for (const write of parts) write(given, texts)
  }
  writers.set(fields, writer)
  return writer
}

function writerOfField(name: string, field: Fields[string]): Writer {
  if (field === 'flag') return (given, texts) => void texts.push(given[name] === true ? '1' : '0')
  if (isScalar(field)) return (given, texts) => void texts.push(String(given[name]))
  if (isList(field)) return () => {}
  const write = writerOf(field)
  return (given, texts) => {
    const value = given[name]
    if (isRecord(value)) write(value, texts)
  }
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
  const entries = entriesOf(fields)
  if (entries.length !== values.length) throw unexpected()
  const record: Record<string, unknown> = {}
  for (const [i, [name, field]] of entries.entries()) record[name] = decode(field, values[i])
  return record
}

const knownEntries = new WeakMap<Fields, [string, Fields[string]][]>()

function entriesOf(fields: Fields): [string, Fields[string]][] {
  let entries = knownEntries.get(fields)
  if (!entries) {
    entries = Object.entries(fields)
    knownEntries.set(fields, entries)
  }
  return entries
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
