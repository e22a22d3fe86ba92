/** The functions and variables of a script. */
import type { Chunk, Expression, Identifier, Node, ReturnStatement } from 'luaparse'
import type { Kind } from './builtins.ts'
import type { Call } from './syntax.ts'

/** A function of the script; the script itself is one. */
export interface FunctionScope {
  node: Chunk | Extract<Expression, { type: 'FunctionDeclaration' }>
  parent: FunctionScope | undefined
  parameters: Variable[]
  isVararg: boolean
  returns: ReturnStatement[]
  calls: Call[]
  upvalues: Set<Variable>
  /** Local variables in reach at this moment of the walk. */
  active: number
}

export interface Variable {
  name: string
  /** Its unique name in the compiled text. */
  id: string
  owner: FunctionScope
  /** Whether anything is assigned to it after its declaration. */
  isAssigned: boolean
  /** What it is declared with, where that is one expression. */
  value: Expression | undefined
  /** Its type, where the walk can tell that it is always this one. */
  kind: Kind | undefined
  /** The function that a `local function` declares. */
  declares: FunctionScope | undefined
}

export interface Scopes {
  main: FunctionScope
  /** The variable that a name means; undefined for a global one. */
  variables: Map<Identifier, Variable>
  functions: Map<Node, FunctionScope>
  /** The `self` of functions that are declared with a colon. */
  selves: Map<FunctionScope, Variable>
}
