/** Packed records: a few fields in one text, separated by `|`, read and written by Lua and TypeScript alike. */

/** `number` is an integer of up to 16 digits; the last field may hold the separator itself. */
type Kind = 'text' | 'number'
type Shape = Readonly<Record<string, Kind>>

export type PackedValue<Fields extends Shape> = {
  -readonly [Name in keyof Fields]: Fields[Name] extends 'number' ? number : string
}

export interface PackedRecord<Fields extends Shape> {
  /** Lua functions `read<Name>(text)`, nil for a text of another form, and `pack<Name>(record)`. */
  lua: string
  encode(value: PackedValue<Fields>): string
  /** Undefined for a text of another form. */
  decode(text: string): PackedValue<Fields> | undefined
}

/** Makes the codec of a record; `name` ends the names of its Lua functions. */
export function definePacked<const Fields extends Shape>(
  name: string,
  fields: Fields,
): PackedRecord<Fields> {
  const entries = Object.entries(fields)
  const last = entries.length - 1
  const pattern = new RegExp(
    `^${entries.map(([, kind], i) => (kind === 'number' ? '(-?\\d{1,16})' : i === last ? '([^]*)' : '([^|]*)')).join('\\|')}$`,
  )
  return {
    lua: luaFunctions(name, entries),
    encode: (value) => entries.map(([field]) => String(value[field])).join('|'),
    decode(text) {
      const match = pattern.exec(text)
      if (!match) return undefined
      const values = entries.map(([field, kind], i) => {
        const part = match[i + 1] ?? ''
        return [field, kind === 'number' ? Number(part) : part]
      })
      // The names and kinds are those that the type was derived from.
      return Object.fromEntries(values) as PackedValue<Fields>
    },
  }
}

function luaFunctions(name: string, entries: [string, Kind][]): string {
  const last = entries.length - 1
  const patterns = entries.map(([, kind], i) =>
    kind === 'number' ? '(%-?%d+)' : i === last ? '(.*)' : '([^|]*)',
  )
  const names = entries.map(([field]) => field)
  const reads = entries.map(([field, kind]) =>
    // The pattern has seen that these are digits.
    kind === 'number' ? `${field} = #${field} <= 17 and tonumber(${field})` : `${field} = ${field}`,
  )
  const numbers = entries.flatMap(([field, kind]) => (kind === 'number' ? [`it.${field}`] : []))
  const isWhole = numbers.join(' and ')
  const writes = entries.map(([field, kind]) =>
    kind === 'number' ? `int(it.${field})` : `it.${field}`,
  )
  return `
local function read${name}(text)
  if not text then return nil end
  local ${names.join(', ')} = text:match('^${patterns.join('|')}$')
  if not ${names[0]} then return nil end
  local it = { ${reads.join(', ')} }
  return ${isWhole || 'true'} and it or nil
end
local function pack${name}(it)
  return table.concat({ ${writes.join(', ')} }, '|')
end
`
}
