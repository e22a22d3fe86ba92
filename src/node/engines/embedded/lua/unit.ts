/** What the writers of JavaScript share while they write one script. */
import type { Expression, Identifier, Statement } from 'luaparse'
import type { Facts } from './facts.ts'
import type { FunctionScope, Scopes, Variable } from './variables.ts'

export interface Unit {
  facts: Facts
  scopes: Scopes
  /** The function that is being written. */
  current: FunctionScope
  /** Makes a function or value of the runtime available under its name. */
  use(name: string): string
  /** The function of the library of strings that a method call on a string calls. */
  stringMethod(name: string): string | undefined
  /** A variable of its own for an intermediate value. */
  temporary(): string
  /** The name of a function that makes tables with these fields. */
  shape(fields: string[]): string
  /** Writes an expression as one value. */
  value(node: Expression): string
  /** Writes a list of values, in which the last may stand for any number. */
  list(nodes: Expression[]): string
  block(body: Statement[]): string
  function(scope: FunctionScope, name: string): string
}

/**
 * Marks the line that what follows comes from; see `layOut`. Texts of bytes have no such characters.
 */
export const mark = (line: number) => `⟨${line}⟩`

/** Counts one step. */
export function writeStep(unit: Unit): string {
  const budget = unit.use('budget')
  return `if (--${budget}.left < 0) ${budget}.stop();`
}

/** The variable that a declaration declares. */
export function declared(unit: Unit, identifier: Identifier): Variable {
  const variable = unit.scopes.variables.get(identifier)
  if (variable === undefined) throw new Error('A declaration was not walked through')
  return variable
}
