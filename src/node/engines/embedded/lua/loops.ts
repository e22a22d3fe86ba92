/** Writes the JavaScript of `for` loops. */
import type { Expression, Identifier, Statement } from 'luaparse'
import { write, writeList } from './expressions.ts'
import { isCall } from './facts.ts'
import { argumentsOf, lineOf } from './syntax.ts'
import { declared, mark, type Unit, writeStep } from './unit.ts'

type NumericFor = Extract<Statement, { type: 'ForNumericStatement' }>
type GenericFor = Extract<Statement, { type: 'ForGenericStatement' }>

const isWholeLiteral = (node: Expression): boolean =>
  node.type === 'NumericLiteral'
    ? Number.isSafeInteger(node.value)
    : node.type === 'UnaryExpression' && node.operator === '-' && isWholeLiteral(node.argument)

const declare = (unit: Unit, identifier: Identifier, value: string): string =>
  `let ${declared(unit, identifier).id} = ${value};`

/** Lua goes one step back before the first iteration, which a fraction may not survive. */
export function writeNumericFor(unit: Unit, node: NumericFor): string {
  const { start, end, step, variable, body } = node
  const [index, limit, stride] = [unit.temporary(), unit.temporary(), unit.temporary()]
  const number = (part: Expression, what: string) =>
    unit.facts.kind(part) === 'number'
      ? write(unit, part)
      : `${mark(lineOf(node))}${unit.use('loopNumber')}(${write(unit, part)}, "${what}")`
  const inner = `${writeStep(unit)} ${declare(unit, variable, `$i`)} ${unit.block(body)}`
  const before = [
    `${index} = ${number(start, 'initial value')}`,
    `${limit} = ${number(end, 'limit')}`,
  ]
  const isWhole = isWholeLiteral(start) && (step === null || isWholeLiteral(step))
  if (step === null) {
    const first = isWhole ? index : `${index} - 1 + 1`
    return `${before.join('; ')}; for (let $i = ${first}, $n = ${limit}; $i <= $n; $i++) { ${inner} }`
  }
  before.push(`${stride} = ${number(step, 'step')}`)
  const first = isWhole ? index : `${index} - ${stride} + ${stride}`
  const test = '0 < $s ? $i <= $n : $n <= $i'
  return `${before.join('; ')}; for (let $i = ${first}, $n = ${limit}, $s = ${stride}; ${test}; $i += $s) { ${inner} }`
}

/** The table of a loop over `ipairs(table)` or `pairs(table)`. */
function iterated(unit: Unit, { iterators }: GenericFor) {
  const [call] = iterators
  if (call === undefined || iterators.length > 1 || !isCall(call)) return undefined
  const name = unit.facts.builtin(call.base)?.name
  const [table, ...others] = argumentsOf(call)
  if (table === undefined || others.length > 0) return undefined
  return name === 'ipairs' || name === 'pairs' ? { name, table } : undefined
}

export function writeGenericFor(unit: Unit, node: GenericFor): string {
  const { variables, body } = node
  const inner = () => `${writeStep(unit)} ${unit.block(body)}`
  const declareAll = (values: string[]) =>
    variables
      .map((variable, index) => declare(unit, variable, values[index] ?? 'undefined'))
      .join(' ')
  const over = iterated(unit, node)
  if (over !== undefined) {
    const table = `${mark(lineOf(node))}${unit.use('tableArgument')}("${over.name}", [${write(unit, over.table)}], 1)`
    if (over.name === 'ipairs') {
      return `for (let $t = ${table}, $i = 1, $v; ($v = $t.item($i)) !== undefined; $i++) { ${declareAll(['$i', '$v'])} ${inner()} }`
    }
    return `for (let $t = ${table}, $k = ${unit.use('keysOf')}($t), $i = 0, $v; $i < $k.length; $i++) { if (($v = $t.get($k[$i])) === undefined) continue; ${declareAll(['$k[$i]', '$v'])} ${inner()} }`
  }
  const [state, results] = [unit.temporary(), unit.temporary()]
  const call = `${mark(lineOf(node))}${unit.use('callee')}($f)($s, $c)`
  const next = `${results} = ${unit.use('all')}(${call}), $c = ${results}[0]`
  const each = declareAll(variables.map((_, index) => `${results}[${index}]`))
  return `${state} = [${writeList(unit, node.iterators)}]; for (let $f = ${state}[0], $s = ${state}[1], $c = ${state}[2];;) { ${next}; if ($c === undefined) break; ${each} ${inner()} }`
}
