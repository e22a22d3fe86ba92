/** Writes the JavaScript of expressions. */
import type { Expression } from 'luaparse'
import { isLibrary } from './builtins.ts'
import { isCall } from './facts.ts'
import { argumentsOf, type Call, lastLineOf, lineOf, rangeOf } from './syntax.ts'
import { declareField } from './table.ts'
import { writeTable } from './table-constructor.ts'
import { mark, type Unit } from './unit.ts'
import type { FunctionScope } from './variables.ts'

type Node<Type extends Expression['type']> = Extract<Expression, { type: Type }>

const NAME = /^[A-Za-z_]\w*$/

const arithmetic: Record<string, string> = {
  '+': 'add',
  '-': 'sub',
  '*': 'mul',
  '/': 'div',
  '%': 'mod',
  '^': 'pow',
}

/** How an error text names the value; undefined where it has no name. */
function nameOf(unit: Unit, node: Expression): string | undefined {
  if (node.type === 'MemberExpression') {
    return `${node.indexer === ':' ? 'method' : 'field'} '${node.identifier.name}'`
  }
  if (node.type === 'IndexExpression' && node.index.type === 'StringLiteral') {
    return `field '${node.index.value}'`
  }
  if (node.type !== 'Identifier') return undefined
  const variable = unit.facts.variable(node)
  if (variable === undefined) return `global '${node.name}'`
  return `${variable.owner === unit.current ? 'local' : 'upvalue'} '${node.name}'`
}

/** The name as a further argument, or nothing. */
export function naming(unit: Unit, ...nodes: Expression[]): string {
  const names = nodes.map((node) => nameOf(unit, node))
  if (names.every((name) => name === undefined)) return ''
  return names
    .map((name) => `, ${name === undefined ? 'undefined' : JSON.stringify(name)}`)
    .join('')
}

/** The name of a field that the text spells out; undefined where the key is computed. */
export function fieldName(node: Expression): string | undefined {
  if (node.type === 'MemberExpression') return node.identifier.name
  if (node.type !== 'IndexExpression' || node.index.type !== 'StringLiteral') return undefined
  return NAME.test(node.index.value) ? node.index.value : undefined
}

/** A table to read from. */
function tableOf(unit: Unit, base: Expression): string {
  const written = write(unit, base)
  if (unit.facts.kind(base) === 'table') return written
  return `${mark(lastLineOf(base))}${unit.use('tab')}(${written}${naming(unit, base)})`
}

function writeIndex(unit: Unit, node: Node<'MemberExpression' | 'IndexExpression'>): string {
  const builtin = unit.facts.builtin(node)
  if (builtin !== undefined) return unit.use(builtin.name)
  const field = fieldName(node)
  if (field !== undefined) return `${tableOf(unit, node.base)}.${declareField(field)}`
  if (node.type === 'MemberExpression') throw new Error('A member has a name')
  const read = unit.facts.kind(node.index) === 'number' ? 'item' : 'get'
  return `${tableOf(unit, node.base)}.${read}(${write(unit, node.index)})`
}

function writeName(unit: Unit, node: Node<'Identifier'>): string {
  const { name } = node
  const variable = unit.facts.variable(node)
  if (variable !== undefined) return variable.id
  if (name === 'KEYS' || name === 'ARGV') return name
  if (name === '_VERSION') return '"Lua 5.1"'
  if (isLibrary(name)) return unit.use(`lib_${name}`)
  const builtin = unit.facts.builtin(node)
  if (builtin !== undefined) return unit.use(builtin.name)
  return `${mark(lineOf(node))}${unit.use('undefinedGlobal')}(${JSON.stringify(name)})`
}

function writeBinary(unit: Unit, node: Node<'BinaryExpression'>): string {
  const { operator, left, right } = node
  const [a, b] = [write(unit, left), write(unit, right)]
  if (operator === '==') return `(${a} === ${b})`
  if (operator === '~=') return `(${a} !== ${b})`
  const { facts } = unit
  const areNumbers = facts.kind(left) === 'number' && facts.kind(right) === 'number'
  const call = (name: string, ...parts: string[]) =>
    `${mark(lineOf(node))}${unit.use(name)}(${parts.join(', ')})`
  switch (operator) {
    case '<':
      return areNumbers ? `(${a} < ${b})` : call('less', a, b)
    case '>':
      return areNumbers ? `(${a} > ${b})` : call('more', a, b)
    case '<=':
      return areNumbers ? `(${a} <= ${b})` : call('atMost', a, b)
    case '>=':
      return areNumbers ? `(${a} >= ${b})` : call('atLeast', a, b)
    case '..':
      return call('concat', a, b + naming(unit, left, right))
  }
  const name = arithmetic[operator]
  if (name === undefined) throw new Error(`Lua 5.1 has no operator ${operator}`)
  if (!areNumbers) return call(name, a, b + naming(unit, left, right))
  if (operator === '%') return call('remainder', a, b)
  return operator === '^' ? call('power', a, b) : `(${a} ${operator} ${b})`
}

function writeUnary(unit: Unit, node: Node<'UnaryExpression'>): string {
  const { operator, argument } = node
  if (operator === 'not') return `!${writeCondition(unit, argument)}`
  const value = write(unit, argument)
  if (operator === '-' && unit.facts.kind(argument) === 'number') return `(- ${value})`
  const name = operator === '#' ? 'size' : 'negate'
  return `${mark(lineOf(node))}${unit.use(name)}(${value}${naming(unit, argument)})`
}

const isTruthy = (value: string) => `${value} !== undefined && ${value} !== false`

function writeLogical(unit: Unit, node: Node<'LogicalExpression'>): string {
  const { operator, left, right } = node
  const other = write(unit, right)
  const kind = unit.facts.kind(left)
  if (kind === 'boolean')
    return `(${write(unit, left)} ${operator === 'and' ? '&&' : '||'} ${other})`
  if (operator === 'or' && left.type === 'LogicalExpression' && left.operator === 'and') {
    const chosen = unit.facts.kind(left.right)
    if (chosen !== undefined && chosen !== 'boolean') {
      return `(${writeCondition(unit, left.left)} ? ${write(unit, left.right)} : ${other})`
    }
  }
  const value = unit.temporary()
  const test = `(${value} = ${write(unit, left)}, ${isTruthy(value)})`
  return operator === 'and' ? `(${test} ? ${other} : ${value})` : `(${test} ? ${value} : ${other})`
}

/** Writes whether the value is neither nil nor false. */
export function writeCondition(unit: Unit, node: Expression): string {
  if (node.type === 'LogicalExpression') {
    const operator = node.operator === 'and' ? '&&' : '||'
    return `(${writeCondition(unit, node.left)} ${operator} ${writeCondition(unit, node.right)})`
  }
  const value = write(unit, node)
  if (unit.facts.kind(node) === 'boolean') return value
  if (unit.facts.variable(node) !== undefined) return `(${isTruthy(value)})`
  const held = unit.temporary()
  return `(${held} = ${value}, ${isTruthy(held)})`
}

/** Writes a list of values, in which the last may stand for any number; `end` is where the list ends. */
export function writeList(unit: Unit, nodes: Expression[], end?: number): string {
  return nodes
    .map((node, index) => {
      if (index < nodes.length - 1 || !unit.facts.isMultiple(node, end)) return write(unit, node)
      return `...${unit.use('spread')}(${writeResults(unit, node)})`
    })
    .join(', ')
}

/** Writes an expression with all of its results, as one value or an array. */
export function writeResults(unit: Unit, node: Expression): string {
  if (node.type === 'VarargLiteral') return 'va'
  return isCall(node) ? writeCall(unit, node) : write(unit, node)
}

function writeCall(unit: Unit, node: Call): string {
  const { base } = node
  const given = argumentsOf(node)
  const args = writeList(unit, given, rangeOf(node)[1])
  const line = mark(lastLineOf(base))
  const builtin = unit.facts.builtin(base)
  if (builtin !== undefined) {
    const [only] = given
    const isAlone = given.length === 1 && only !== undefined && unit.facts.isSingle(only)
    const short = builtin.name === 'tonumber' && isAlone ? 'toNumber' : builtin.name
    return `${line}${unit.use(short)}(${args})`
  }
  if (base.type === 'MemberExpression' && base.indexer === ':') {
    return line + writeMethodCall(unit, base, args)
  }
  if (unit.facts.known(base) !== undefined) return `${line}${write(unit, base)}(${args})`
  return `${line}${unit.use('callee')}(${write(unit, base)}${naming(unit, base)})(${args})`
}

function writeMethodCall(unit: Unit, base: Node<'MemberExpression'>, args: string): string {
  const { name } = base.identifier
  const object = unit.temporary()
  const rest = args === '' ? object : `${object}, ${args}`
  const table = `${unit.use('tab')}(${object}${naming(unit, base.base)})`
  const method = `${unit.use('callee')}(${table}.${declareField(name)}, "method '${name}'")`
  const ofString = unit.stringMethod(name)
  const chosen =
    ofString === undefined ? method : `(typeof ${object} === 'string' ? ${ofString} : ${method})`
  return `(${object} = ${write(unit, base.base)}, ${chosen}(${rest}))`
}

/** Writes an expression as one value. */
export function write(unit: Unit, node: Expression): string {
  switch (node.type) {
    case 'NilLiteral':
      return 'undefined'
    case 'BooleanLiteral':
      return String(node.value)
    case 'NumericLiteral':
      return Number.isFinite(node.value) ? String(node.value) : 'Infinity'
    case 'StringLiteral':
      return JSON.stringify(node.value)
    case 'VarargLiteral':
      return 'va[0]'
    case 'Identifier':
      return writeName(unit, node)
    case 'FunctionDeclaration':
      return `${unit.use('made')}(${unit.function(scopeOf(unit, node), '')})`
    case 'TableConstructorExpression':
      return writeTable(unit, node)
    case 'BinaryExpression':
      return writeBinary(unit, node)
    case 'UnaryExpression':
      return writeUnary(unit, node)
    case 'LogicalExpression':
      return writeLogical(unit, node)
    case 'MemberExpression':
    case 'IndexExpression':
      return writeIndex(unit, node)
    default:
      return unit.facts.isSingle(node)
        ? writeCall(unit, node)
        : `${unit.use('first')}(${writeCall(unit, node)})`
  }
}

/** The scope of a function of the script. */
export function scopeOf(unit: Unit, node: Node<'FunctionDeclaration'>): FunctionScope {
  const scope = unit.scopes.functions.get(node)
  if (scope === undefined) throw new Error('A function was not walked through')
  return scope
}
