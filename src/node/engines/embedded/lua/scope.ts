/** Which variable each name of a script means, and what can be told of it before the script runs. */
import type { Chunk, Expression, Identifier, Node, Statement } from 'luaparse'
import { argumentsOf, lineOf, SyntaxFault } from './syntax.ts'
import type { FunctionScope, Scopes, Variable } from './variables.ts'

/** Limits of the compiler of Lua 5.1: what exceeds them would not run on Redis. */
const MOST_LOCALS = 200
const MOST_UPVALUES = 60

function refuse(at: Node, scope: FunctionScope, most: number, what: string): never {
  const place =
    scope.parent === undefined ? 'main function' : `function at line ${lineOf(scope.node)}`
  throw new SyntaxFault(lineOf(at), `${place} has more than ${most} ${what}`)
}

/** Walks through the script. @throws SyntaxFault beyond a limit of Lua's compiler. */
export function resolve(chunk: Chunk): Scopes {
  const variables = new Map<Identifier, Variable>()
  const functions = new Map<Node, FunctionScope>()
  const selves = new Map<FunctionScope, Variable>()
  const names = new Map<string, Variable>()
  /** What the names meant before, for the end of a block. */
  const before: [name: string, variable: Variable | undefined][] = []
  let count = 0
  const main = functionScope(chunk, undefined, true)
  let current = main

  function functionScope(
    node: FunctionScope['node'],
    parent: FunctionScope | undefined,
    isVararg: boolean,
  ): FunctionScope {
    const scope: FunctionScope = {
      node,
      parent,
      parameters: [],
      isVararg,
      returns: [],
      calls: [],
      upvalues: new Set(),
      active: 0,
    }
    functions.set(node, scope)
    return scope
  }

  function declare(identifier: Identifier, value?: Expression): Variable {
    const variable = hidden(identifier.name, identifier)
    variable.value = value
    variables.set(identifier, variable)
    return variable
  }

  function hidden(name: string, at: Node): Variable {
    const id = `${name}$${++count}`
    const variable: Variable = {
      name,
      id,
      owner: current,
      isAssigned: false,
      value: undefined,
      kind: undefined,
      declares: undefined,
    }
    if (++current.active > MOST_LOCALS) refuse(at, current, MOST_LOCALS, 'local variables')
    before.push([name, names.get(name)])
    names.set(name, variable)
    return variable
  }

  function use(identifier: Identifier): Variable | undefined {
    const variable = names.get(identifier.name)
    if (variable === undefined) return undefined
    variables.set(identifier, variable)
    for (let scope = current; scope !== variable.owner; ) {
      scope.upvalues.add(variable)
      if (scope.upvalues.size > MOST_UPVALUES) refuse(identifier, scope, MOST_UPVALUES, 'upvalues')
      if (scope.parent === undefined) break
      scope = scope.parent
    }
    return variable
  }

  /** Walks through a block, whose variables end with it. */
  function block(body: Statement[], open?: () => void, close?: () => void): void {
    const { active } = current
    const { length } = before
    open?.()
    body.forEach(statement)
    close?.()
    current.active = active
    for (const [name, variable] of before.splice(length).reverse()) {
      if (variable === undefined) names.delete(name)
      else names.set(name, variable)
    }
  }

  function functionBody(
    node: Extract<Expression, { type: 'FunctionDeclaration' }>,
    hasSelf: boolean,
  ): FunctionScope {
    const outer = current
    const isVararg = node.parameters.some(({ type }) => type === 'VarargLiteral')
    current = functionScope(node, outer, isVararg)
    const scope = current
    block(node.body, () => {
      if (hasSelf) selves.set(scope, hidden('self', node))
      for (const parameter of node.parameters) {
        if (parameter.type === 'Identifier') scope.parameters.push(declare(parameter))
      }
    })
    current = outer
    return scope
  }

  function assignTo(target: Expression): void {
    if (target.type === 'Identifier') {
      const variable = use(target)
      if (variable !== undefined) variable.isAssigned = true
    } else expression(target)
  }

  function statement(node: Statement): void {
    switch (node.type) {
      case 'LocalStatement': {
        node.init.forEach(expression)
        const isOne = node.init.length === node.variables.length
        node.variables.forEach((variable, i) => {
          declare(variable, isOne ? node.init[i] : undefined)
        })
        return
      }
      case 'AssignmentStatement':
        node.init.forEach(expression)
        node.variables.forEach(assignTo)
        return
      case 'CallStatement':
        expression(node.expression)
        return
      case 'FunctionDeclaration': {
        const { identifier } = node
        if (node.isLocal && identifier?.type === 'Identifier') {
          const variable = declare(identifier)
          variable.declares = functionBody(node, false)
          return
        }
        if (identifier !== null) assignTo(identifier)
        functionBody(node, identifier?.type === 'MemberExpression' && identifier.indexer === ':')
        return
      }
      case 'ReturnStatement':
        current.returns.push(node)
        node.arguments.forEach(expression)
        return
      case 'IfStatement':
        for (const clause of node.clauses) {
          if (clause.type !== 'ElseClause') expression(clause.condition)
          block(clause.body)
        }
        return
      case 'WhileStatement':
        expression(node.condition)
        block(node.body)
        return
      case 'RepeatStatement':
        block(node.body, undefined, () => expression(node.condition))
        return
      case 'DoStatement':
        block(node.body)
        return
      case 'ForNumericStatement':
        for (const part of [node.start, node.end, node.step]) if (part !== null) expression(part)
        current.active += 3
        block(node.body, () => {
          declare(node.variable).kind = 'number'
        })
        current.active -= 3
        return
      case 'ForGenericStatement':
        node.iterators.forEach(expression)
        current.active += 3
        block(node.body, () => {
          for (const variable of node.variables) declare(variable)
        })
        current.active -= 3
    }
  }

  function expression(node: Expression): void {
    switch (node.type) {
      case 'Identifier':
        use(node)
        return
      case 'FunctionDeclaration':
        functionBody(node, false)
        return
      case 'TableConstructorExpression':
        for (const field of node.fields) {
          if (field.type === 'TableKey') expression(field.key)
          expression(field.value)
        }
        return
      case 'BinaryExpression':
      case 'LogicalExpression':
        expression(node.left)
        expression(node.right)
        return
      case 'UnaryExpression':
        expression(node.argument)
        return
      case 'MemberExpression':
        expression(node.base)
        return
      case 'IndexExpression':
        expression(node.base)
        expression(node.index)
        return
      case 'CallExpression':
      case 'StringCallExpression':
      case 'TableCallExpression':
        current.calls.push(node)
        expression(node.base)
        argumentsOf(node).forEach(expression)
        return
    }
  }

  block(chunk.body)
  return { main, variables, functions, selves }
}
