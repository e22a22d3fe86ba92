/** Writes the JavaScript of table constructors. */
import type { Expression } from 'luaparse'
import { declareField } from './table.ts'
import type { Unit } from './unit.ts'

type Constructor = Extract<Expression, { type: 'TableConstructorExpression' }>

/** Writes a table; its values are evaluated in the order of the text. */
export function writeTable(unit: Unit, { fields }: Constructor): string {
  const items = fields.flatMap((field) => (field.type === 'TableValue' ? [field.value] : []))
  if (items.length === fields.length) return `${unit.use('makeTable')}([${unit.list(items)}])`
  const named = fields.flatMap((field) => (field.type === 'TableKeyString' ? [field] : []))
  const names = named.map(({ key }) => key.name)
  if (named.length === fields.length && new Set(names).size === names.length) {
    const values = named.map(({ value }) => unit.value(value))
    return `${unit.shape(names)}(${values.join(', ')})`
  }
  return writeMixed(unit, fields)
}

function writeMixed(unit: Unit, fields: Constructor['fields']): string {
  const table = unit.temporary()
  const items = unit.temporary()
  const steps = fields.map((field, index) => {
    if (field.type === 'TableKeyString') {
      return `${table}.${declareField(field.key.name)} = ${unit.value(field.value)}`
    }
    if (field.type === 'TableKey') {
      return `${unit.use('setKey')}(${table}, ${unit.value(field.key)}, ${unit.value(field.value)})`
    }
    const isLast = index === fields.length - 1
    return `${items}.push(${isLast ? unit.list([field.value]) : unit.value(field.value)})`
  })
  const start = `${table} = ${unit.use('makeTable')}([]), ${items} = []`
  return `(${[start, ...steps, `${table}.fill(${items})`].join(', ')})`
}
