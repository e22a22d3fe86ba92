/** Writes the JavaScript of statements. */
import type { Expression, Statement } from 'luaparse'
import {
  fieldName,
  naming,
  scopeOf,
  write,
  writeCondition,
  writeList,
  writeResults,
} from './expressions.ts'
import { writeGenericFor, writeNumericFor } from './loops.ts'
import { lineOf } from './syntax.ts'
import { declareField } from './table.ts'
import { declared, mark, type Unit, writeStep } from './unit.ts'

type Node<Type extends Statement['type']> = Extract<Statement, { type: Type }>

export const writeBlock = (unit: Unit, body: Statement[]): string =>
  body.map((statement) => writeStatement(unit, statement)).join(' ')

function writeLocal(unit: Unit, { variables, init }: Node<'LocalStatement'>): string {
  const names = variables.map((identifier) => declared(unit, identifier))
  const last = init.at(-1)
  const before = init.length - 1
  const isSpread = last !== undefined && names.length > init.length && unit.facts.isMultiple(last)
  const values = init.slice(0, isSpread ? -1 : undefined)
  const parts = values.map((value, index) => {
    const variable = names[index]
    if (variable === undefined) return `${write(unit, value)};`
    return `${variable.isAssigned ? 'let' : 'const'} ${variable.id} = ${write(unit, value)};`
  })
  const open = names.slice(values.length)
  if (open.length > 0) parts.push(`let ${open.map(({ id }) => id).join(', ')};`)
  if (isSpread) parts.push(writeSpread(unit, last, names.slice(before)))
  return parts.join(' ')
}

/** Assigns the results of one expression to several variables. */
function writeSpread(unit: Unit, node: Expression, variables: { id: string }[]): string {
  const results = unit.temporary()
  const each = variables.map(({ id }, index) => `${id} = ${results}[${index}]`).join(', ')
  const [only] = variables
  return `${results} = ${writeResults(unit, node)}; if (Array.isArray(${results})) { ${each}; } else ${only?.id} = ${results};`
}

/** A place that a value is assigned to: what is evaluated before the value, and the assignment. */
interface Target {
  before: string
  assign(value: string): string
}

/** Holds the value of an expression, unless it is a variable that keeps it anyway. */
function hold(unit: Unit, node: Expression): { before: string; name: string } {
  const variable = unit.facts.variable(node)
  if (variable !== undefined) return { before: '', name: variable.id }
  const name = unit.temporary()
  return { before: `${name} = ${write(unit, node)}; `, name }
}

function targetOf(unit: Unit, node: Expression): Target {
  const line = mark(lineOf(node))
  if (node.type === 'Identifier') {
    const variable = unit.facts.variable(node)
    const name = variable?.id
    if (name !== undefined) return { before: '', assign: (value) => `${name} = ${value};` }
    return { before: '', assign: (value) => `${value}; ${line}${unit.use('readonly')}();` }
  }
  if (node.type !== 'MemberExpression' && node.type !== 'IndexExpression') {
    throw new Error('Only variables and fields can be assigned to')
  }
  const base = hold(unit, node.base)
  const isTable = unit.facts.kind(node.base) === 'table'
  const called = naming(unit, node.base)
  const field = fieldName(node)
  if (field !== undefined) {
    const table = isTable ? base.name : `${unit.use('own')}(${base.name}${called})`
    const assign = (value: string) => `${line}${table}.${declareField(field)} = ${value};`
    return { before: base.before, assign }
  }
  if (node.type === 'MemberExpression') throw new Error('A member has a name')
  const key = hold(unit, node.index)
  const set = unit.use(isTable ? 'setKey' : 'setIndex')
  return {
    before: base.before + key.before,
    assign: (value) =>
      `${line}${set}(${base.name}, ${key.name}, ${value}${isTable ? '' : called});`,
  }
}

function assignOne(unit: Unit, node: Expression, value: string): string {
  const { before, assign } = targetOf(unit, node)
  // Lua looks at what it assigns to only after it has evaluated the value.
  if (node.type === 'Identifier') return assign(value)
  const held = unit.temporary()
  return `${before}${held} = ${value}; ${assign(held)}`
}

function writeAssignment(unit: Unit, { variables, init }: Node<'AssignmentStatement'>): string {
  const [target] = variables
  const [value] = init
  if (variables.length === 1 && init.length === 1 && target !== undefined && value !== undefined) {
    return assignOne(unit, target, write(unit, value))
  }
  const targets = variables.map((variable) => targetOf(unit, variable))
  const results = unit.temporary()
  const values = `${results} = [${writeList(unit, init)}];`
  const assigned = targets.map(({ assign }, index) => assign(`${results}[${index}]`)).reverse()
  return [...targets.map(({ before }) => before), values, ...assigned].join(' ')
}

function writeReturn(unit: Unit, { arguments: values }: Node<'ReturnStatement'>): string {
  const [only] = values
  if (only === undefined) return `return ${unit.use('none')};`
  if (values.length > 1) return `return [${writeList(unit, values)}];`
  return `return (${unit.facts.isMultiple(only) ? writeResults(unit, only) : write(unit, only)});`
}

function writeIf(unit: Unit, { clauses }: Node<'IfStatement'>): string {
  return clauses
    .map((clause, index) => {
      const body = `{ ${writeBlock(unit, clause.body)} }`
      if (clause.type === 'ElseClause') return `else ${body}`
      return `${index > 0 ? 'else ' : ''}if (${writeCondition(unit, clause.condition)}) ${body}`
    })
    .join(' ')
}

function writeFunctionStatement(unit: Unit, node: Node<'FunctionDeclaration'>): string {
  const { identifier } = node
  const scope = scopeOf(unit, node)
  if (identifier === null) throw new Error('A function statement has a name')
  if (node.isLocal && identifier.type === 'Identifier') {
    const { id } = declared(unit, identifier)
    return `${unit.function(scope, id)} ${unit.use('made')}(${id});`
  }
  return assignOne(unit, identifier, `${unit.use('made')}(${unit.function(scope, '')})`)
}

function writeStatement(unit: Unit, node: Statement): string {
  switch (node.type) {
    case 'LocalStatement':
      return writeLocal(unit, node)
    case 'AssignmentStatement':
      return writeAssignment(unit, node)
    case 'CallStatement':
      return `${writeResults(unit, node.expression)};`
    case 'ReturnStatement':
      return writeReturn(unit, node)
    case 'IfStatement':
      return writeIf(unit, node)
    case 'DoStatement':
      return `{ ${writeBlock(unit, node.body)} }`
    case 'WhileStatement':
      return `while (${writeCondition(unit, node.condition)}) { ${writeStep(unit)} ${writeBlock(unit, node.body)} }`
    case 'RepeatStatement': {
      const body = `${writeStep(unit)} ${writeBlock(unit, node.body)}`
      return `for (;;) { ${body} if (${writeCondition(unit, node.condition)}) break; }`
    }
    case 'ForNumericStatement':
      return writeNumericFor(unit, node)
    case 'ForGenericStatement':
      return writeGenericFor(unit, node)
    case 'FunctionDeclaration':
      return writeFunctionStatement(unit, node)
    case 'BreakStatement':
      return 'break;'
    default:
      throw new Error(`Lua 5.1 has no ${node.type}`)
  }
}
