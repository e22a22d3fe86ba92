/** What can be told of an expression before the script runs. */
import type { Expression, Statement } from 'luaparse'
import { type Builtin, builtins, isLibrary, type Kind } from './builtins.ts'
import { type Call, nextToken, rangeOf } from './syntax.ts'
import type { FunctionScope, Scopes, Variable } from './variables.ts'

export const isCall = (node: Expression): node is Call =>
  node.type === 'CallExpression' ||
  node.type === 'StringCallExpression' ||
  node.type === 'TableCallExpression'

/** Whether a run through these statements always ends with a `return`. */
export function endsWithReturn(body: Statement[]): boolean {
  const last = body.at(-1)
  if (last?.type === 'ReturnStatement') return true
  if (last?.type === 'DoStatement') return endsWithReturn(last.body)
  if (last?.type !== 'IfStatement' || last.clauses.at(-1)?.type !== 'ElseClause') return false
  return last.clauses.every(({ body }) => endsWithReturn(body))
}

export class Facts {
  private readonly singles = new Map<FunctionScope, boolean>()
  private readonly scopes: Scopes
  private readonly text: string

  constructor(scopes: Scopes, text: string) {
    this.scopes = scopes
    this.text = text
  }

  variable(node: Expression): Variable | undefined {
    return node.type === 'Identifier' ? this.scopes.variables.get(node) : undefined
  }

  /** The function of the environment that a call names. */
  builtin(node: Expression): Builtin | undefined {
    if (node.type === 'Identifier') {
      return this.variable(node) === undefined ? builtins.get(node.name) : undefined
    }
    if (node.type !== 'MemberExpression' || node.indexer !== '.') return undefined
    const { base, identifier } = node
    if (base.type !== 'Identifier' || this.variable(base) !== undefined) return undefined
    return isLibrary(base.name) ? builtins.get(`${base.name}.${identifier.name}`) : undefined
  }

  /** The function of the script that a call names, where nothing else is ever assigned to the name. */
  known(node: Expression): FunctionScope | undefined {
    const variable = this.variable(node)
    return variable?.isAssigned === false ? variable.declares : undefined
  }

  /** The type of the value, where it is always the same. */
  kind(node: Expression): Kind | undefined {
    switch (node.type) {
      case 'NumericLiteral':
        return 'number'
      case 'StringLiteral':
        return 'string'
      case 'BooleanLiteral':
        return 'boolean'
      case 'TableConstructorExpression':
        return 'table'
      case 'FunctionDeclaration':
        return 'function'
      case 'UnaryExpression':
        return node.operator === 'not' ? 'boolean' : 'number'
      case 'BinaryExpression':
        if (node.operator === '..') return 'string'
        return '+-*/%^'.includes(node.operator) ? 'number' : 'boolean'
      case 'LogicalExpression':
        return this.kindOfLogical(node)
      case 'Identifier':
        return this.kindOfName(node)
      default:
        return isCall(node) ? this.builtin(node.base)?.kind : undefined
    }
  }

  private kindOfLogical(
    node: Extract<Expression, { type: 'LogicalExpression' }>,
  ): Kind | undefined {
    const right = this.kind(node.right)
    if (right === undefined) return undefined
    const { left } = node
    if (this.kind(left) === right) return right
    // `condition and value or other`: a value that is neither nil nor false is the result.
    const isChoice =
      node.operator === 'or' && left.type === 'LogicalExpression' && left.operator === 'and'
    return isChoice && right !== 'boolean' && this.kind(left.right) === right ? right : undefined
  }

  private kindOfName(node: Expression): Kind | undefined {
    const variable = this.variable(node)
    if (variable === undefined || variable.isAssigned) return undefined
    if (variable.declares !== undefined) return 'function'
    return variable.kind ?? (variable.value === undefined ? undefined : this.kind(variable.value))
  }

  /** Whether the expression gives exactly one value wherever it stands. */
  isSingle(node: Expression): boolean {
    if (node.type === 'VarargLiteral') return false
    if (!isCall(node)) return true
    const builtin = this.builtin(node.base)
    if (builtin !== undefined) return builtin.isSingle
    const scope = this.known(node.base)
    return scope !== undefined && this.givesOne(scope)
  }

  /** Whether the last of a list of expressions may give any number of values; parentheses make it one. */
  isMultiple(node: Expression, endOfList?: number): boolean {
    if (this.isSingle(node)) return false
    const at = nextToken(this.text, rangeOf(node)[1])
    return this.text[at] !== ')' || at + 1 === endOfList
  }

  private givesOne(scope: FunctionScope): boolean {
    const known = this.singles.get(scope)
    if (known !== undefined) return known
    // A function that calls itself is not followed any further.
    this.singles.set(scope, false)
    const isOne =
      endsWithReturn(scope.node.body) &&
      scope.returns.every(({ arguments: [value, ...others] }) => {
        return value !== undefined && others.length === 0 && this.isSingle(value)
      })
    this.singles.set(scope, isOne)
    return isOne
  }

  /** Whether a call inside this function may lead back to it; then its depth is counted. */
  mayReturnToItself(scope: FunctionScope): boolean {
    return scope.calls.some(({ base }) => {
      const builtin = this.builtin(base)
      if (builtin !== undefined) return builtin.callsBack
      const called = this.known(base)
      // What is complete before this function begins cannot name it.
      return called === undefined || isInside(scope, called)
    })
  }
}

function isInside(scope: FunctionScope, other: FunctionScope): boolean {
  for (let at: FunctionScope | undefined = scope; at !== undefined; at = at.parent) {
    if (at === other) return true
  }
  return false
}
