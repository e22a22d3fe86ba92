/** Generates the Lua text by which a script reads its keys and arguments, and builds its answers. */
import type { Fields, KeyRows, Replies, Scalar } from './script-declaration.ts'

interface Declared {
  keys: readonly string[]
  keyRows?: KeyRows
  poolFields?: readonly string[]
  args: Fields
  argRows?: Readonly<Record<string, Fields>>
  replies: Replies
  format?: string
}

/** Counts how many texts were read so far. */
type Position = { next: number }

export const isScalar = (field: Fields[string]): field is Scalar =>
  typeof field === 'string' || 'oneOf' in field

export const isList = (field: Fields[string]): field is readonly [Fields] => Array.isArray(field)

/**
 * `integer(text)`: a stored number, nil for any other text. Texts that Lua reads as infinity, or rounds,
 * would be written back as such.
 */
export const integerLua = `local function integer(text)
  return text and #text <= 17 and text:match('^%-?%d+$') and tonumber(text) or nil
end`

/** The prologue of a script in a store of this format. The first key is that of the pool. */
export function prologue(declared: Declared, schemaVersion: number): string {
  const { format, poolFields = [] } = declared
  const key: Position = { next: 2 }
  const names = declared.keys.map((name) => `${name} = KEYS[${key.next++}]`)
  const arg: Position = { next: 1 }
  const poolFieldTexts = ['schema', 'version', ...poolFields].map((field) => `'${field}'`)
  return [
    "local function int(number) return string.format('%.0f', number) end",
    integerLua,
    `local keys = { ${['pool = KEYS[1]', ...names].join(', ')} }`,
    `local stored = redis.call('HMGET', keys.pool, ${poolFieldTexts.join(', ')})`,
    ...(format === 'any' ? [] : [refuseOtherFormat(format, schemaVersion)]),
    `local args = ${readFields(declared.args, arg, (at) => `ARGV[${at}]`)}`,
    ...readKeyRows(declared.keyRows, key.next),
    ...readArgRows(declared.argRows, arg.next),
    'local reply = {}',
    ...Object.entries(declared.replies).map(([kind, fields]) => replyFunction(kind, fields)),
  ].join('\n')
}

/** A store without a version of its pool is new: it has the format of the gateway that writes to it first. */
function refuseOtherFormat(format: string | undefined, schemaVersion: number): string {
  const isOther = (known: string) =>
    `if ${known} ~= '${format ?? schemaVersion}' then return { 'incompatible', stored[1] or '1' } end`
  return format === undefined
    ? isOther(`(stored[1] or not stored[2] and '${schemaVersion}' or '1')`)
    : isOther("(stored[1] or '1')")
}

function readFields(fields: Fields, position: Position, at: (index: number) => string): string {
  const entries = Object.entries(fields).map(([name, field]) => {
    if (isList(field)) throw new Error(`The argument ${name} must not be a list`)
    if (!isScalar(field)) return `${name} = ${readFields(field, position, at)}`
    return `${name} = ${readScalar(field, at(position.next++))}`
  })
  return `{ ${entries.join(', ')} }`
}

function readScalar(field: Scalar, text: string): string {
  if (field === 'number') return `tonumber(${text})`
  return field === 'flag' ? `${text} == '1'` : text
}

function readKeyRows(rows: KeyRows = {}, first: number): string[] {
  return Object.entries(rows).flatMap(([list, names]) => {
    const entries = names.map((name, i) => `${name} = KEYS[at + ${i}]`)
    return [
      `keys.${list} = {}`,
      `for at = ${first}, #KEYS, ${names.length} do keys.${list}[#keys.${list} + 1] = { ${entries.join(', ')} } end`,
    ]
  })
}

/** The number of records comes first: what follows them is not theirs. */
function readArgRows(rows: Readonly<Record<string, Fields>> = {}, count: number): string[] {
  return Object.entries(rows).flatMap(([list, fields]) => {
    const position: Position = { next: 0 }
    const record = readFields(fields, position, (offset) => `ARGV[at + ${offset}]`)
    const stride = position.next
    return [
      `args.${list} = {}`,
      `for i = 0, tonumber(ARGV[${count}]) - 1 do`,
      `  local at = ${count + 1} + i * ${stride}`,
      `  args.${list}[i + 1] = ${record}`,
      'end',
    ]
  })
}

function replyFunction(kind: string, fields: Fields): string {
  const values = Object.entries(fields).map(([name, field]) => replyValue(`it.${name}`, field))
  return `function reply.${kind}(it) return { ${[`'${kind}'`, ...values].join(', ')} } end`
}

function replyValue(value: string, field: Fields[string]): string {
  if (isList(field)) {
    const values = Object.entries(field[0]).map(([name, inner]) => replyValue(`it.${name}`, inner))
    return `(function(list) local rows = {} for i, it in ipairs(list or {}) do rows[i] = { ${values.join(', ')} } end return rows end)(${value})`
  }
  if (!isScalar(field)) throw new Error('A reply has no records of fields')
  if (field === 'number') return `int(${value} or 0)`
  if (field === 'flag') return `${value} and '1' or '0'`
  return field === 'texts' ? `${value} or {}` : `${value} or ''`
}
