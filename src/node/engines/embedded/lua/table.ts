/** Values and tables of Lua as the compiled scripts hold them. */

/** What a Lua function gives back: one value, or an array of any other number of them. */
export type Results = Value | Value[]
export type LuaFunction = (...args: Value[]) => Results

/** Strings hold one byte per character; nil is undefined. */
export type Value = undefined | boolean | number | string | Table | Library | LuaFunction

type Field = `$${string}`

/**
 * The names that script texts spell out, with the property that holds each. Only these become
 * properties of a table: a name that comes from outside is a key of its map.
 */
const fields = new Map<string, Field>()
const names = new Map<string, string>()

/** The property for a name that a script text spells out. Must not be called while a script runs. */
export function declareField(name: string): Field {
  const known = fields.get(name)
  if (known !== undefined) return known
  const field: Field = `$${name}`
  fields.set(name, field)
  names.set(field, name)
  return field
}

/** A Lua table: a list of the items from 1 on, named fields, and a map of all other keys. */
export class Table {
  /** Item `n` is at `n - 1`; undefined where it is nil. */
  list: Value[]
  private map: Map<Value, Value> | undefined;
  [field: Field]: Value

  constructor(list: Value[]) {
    this.list = list
    this.map = undefined
  }

  get(key: Value): Value {
    if (typeof key === 'string') {
      const field = fields.get(key)
      return field === undefined ? this.map?.get(key) : this[field]
    }
    if (typeof key === 'number') return this.item(key)
    return this.map?.get(key)
  }

  item(index: number): Value {
    const { list } = this
    if (index >= 1 && index <= list.length && Number.isInteger(index)) return list[index - 1]
    return this.map?.get(index)
  }

  /** Writes under any key but nil and NaN. */
  set(key: Value, value: Value): void {
    if (typeof key === 'string') {
      const field = fields.get(key)
      if (field !== undefined) this[field] = value
      else this.put(key, value)
    } else if (typeof key === 'number') this.setItem(key, value)
    else this.put(key, value)
  }

  setItem(index: number, value: Value): void {
    const { list } = this
    if (index >= 1 && index <= list.length && Number.isInteger(index)) list[index - 1] = value
    else if (index === list.length + 1 && value !== undefined) {
      this.map?.delete(index)
      list.push(value)
      if (this.map !== undefined && this.map.size > 0) this.drawItems()
    } else this.put(index, value)
  }

  /** Puts the positional items of a constructor, which win over its other keys. */
  fill(items: Value[]): this {
    if (this.list.length === 0) {
      for (let index = 1; index <= items.length; index++) this.map?.delete(index)
      this.list = items
      this.drawItems()
    } else {
      items.forEach((item, index) => {
        this.setItem(index + 1, item)
      })
    }
    return this
  }

  /** A border: an item that is there and whose successor is not, or 0; found as Lua finds it. */
  length(): number {
    const { list } = this
    let above = list.length
    if (above === 0 || list[above - 1] !== undefined) return above
    let below = 0
    while (above - below > 1) {
      const middle = (below + above) >> 1
      if (list[middle - 1] === undefined) above = middle
      else below = middle
    }
    return below
  }

  /** All keys whose values are not nil: items, then named fields, then others as they were written. */
  keys(): Value[] {
    const keys: Value[] = []
    for (let index = 0; index < this.list.length; index++) {
      if (this.list[index] !== undefined) keys.push(index + 1)
    }
    for (const property of Object.keys(this)) {
      const name = names.get(property)
      if (name !== undefined && this[`$${name}`] !== undefined) keys.push(name)
    }
    for (const key of this.map?.keys() ?? []) keys.push(key)
    return keys
  }

  private put(key: Value, value: Value): void {
    if (value === undefined) this.map?.delete(key)
    else {
      this.map ??= new Map()
      this.map.set(key, value)
    }
  }

  /** Moves the items that follow the list from the map into it. */
  private drawItems(): void {
    const { list, map } = this
    if (map === undefined) return
    for (let value = map.get(list.length + 1); value !== undefined; ) {
      map.delete(list.length + 1)
      list.push(value)
      value = map.get(list.length + 1)
    }
  }
}

/** A table of the environment, which scripts can only read. */
export class Library {
  readonly contents = new Table([])

  constructor(members: Readonly<Record<string, Value>>) {
    for (const [name, member] of Object.entries(members)) {
      this.contents[declareField(name)] = member
    }
  }
}

/** The name of the type, as Lua's `type` gives it. */
export function typeName(value: Value): string {
  if (value === undefined) return 'nil'
  return value instanceof Table || value instanceof Library ? 'table' : typeof value
}

/** The first result. */
export const first = (results: Results): Value => (Array.isArray(results) ? results[0] : results)

/** All results as an array. */
export const all = (results: Results): Value[] => (Array.isArray(results) ? results : [results])
