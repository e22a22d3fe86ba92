/** Compiles the Lua text of a script to JavaScript. */
import { Script as VmScript } from 'node:vm'
import { builtins } from './builtins.ts'
import { CHUNK } from './errors.ts'
import { write, writeList } from './expressions.ts'
import { endsWithReturn, Facts } from './facts.ts'
import type { Runtime } from './runtime.ts'
import { resolve } from './scope.ts'
import { writeBlock } from './statements.ts'
import { lineOf, parse, SyntaxFault } from './syntax.ts'
import { declareField, type Results, type Table } from './table.ts'
import { mark, type Unit, writeStep } from './unit.ts'
import type { FunctionScope } from './variables.ts'

export interface Compiled {
  run(keys: Table, args: Table): Results
  /** For each line of the compiled text its line in the Lua text. */
  lines: number[]
}

/** The first line by which a script names its flags; it is no Lua. */
const SHEBANG = /^#![^\n]*/

/** Compiles a text of bytes. @throws SyntaxFault where it is not Lua 5.1, or nests too deeply. */
export function compile(text: string, runtime: Runtime): Compiled {
  try {
    return compileDeep(text.replace(SHEBANG, ''), runtime)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new SyntaxFault(1, 'chunk has too many syntax levels')
  }
}

function compileDeep(text: string, runtime: Runtime): Compiled {
  const { code, lines } = translate(text)
  const factory = new VmScript(code, { filename: CHUNK }).runInThisContext() as (
    runtime: Runtime,
  ) => Compiled['run']
  return { run: factory(runtime), lines }
}

/** The JavaScript of a Lua text: a function that takes the runtime and gives the main function. */
function translate(text: string): { code: string; lines: number[] } {
  const chunk = parse(text)
  const scopes = resolve(chunk)
  const used = new Set<string>()
  const shapes = new Map<string, string>()
  let temporaries: string[] = []

  const unit: Unit = {
    facts: new Facts(scopes, text),
    scopes,
    current: scopes.main,
    use(name) {
      used.add(name)
      return name
    },
    stringMethod(name) {
      const builtin = builtins.get(`string.${name}`)
      return builtin && unit.use(builtin.name)
    },
    temporary() {
      const name = `$${temporaries.length}`
      temporaries.push(name)
      return name
    },
    shape(fields) {
      const text = writeShape(fields, unit)
      const name = shapes.get(text) ?? `shape${shapes.size}`
      shapes.set(text, name)
      return name
    },
    value: (node) => write(unit, node),
    list: (nodes) => writeList(unit, nodes),
    block: (body) => writeBlock(unit, body),
    function: writeFunction,
  }

  function writeFunction(scope: FunctionScope, name: string): string {
    const outer = { current: unit.current, temporaries }
    unit.current = scope
    temporaries = []
    const self = scopes.selves.get(scope)
    const parameters = [...(self ? [self] : []), ...scope.parameters].map(({ id }) => id)
    if (scope === scopes.main) parameters.push('KEYS', 'ARGV')
    if (scope.isVararg) parameters.push('...va')
    const body = writeBody(scope)
    const variables = temporaries.length > 0 ? `let ${temporaries.join(', ')};` : ''
    unit.current = outer.current
    temporaries = outer.temporaries
    return `function ${name}(${parameters.join(', ')}) { ${variables} ${body} }`
  }

  function writeBody(scope: FunctionScope): string {
    const { body } = scope.node
    const end = endsWithReturn(body) ? '' : `return ${unit.use('none')};`
    const code = `${writeStep(unit)} ${writeBlock(unit, body)} ${end}`
    if (scope === scopes.main || !unit.facts.mayReturnToItself(scope)) return code
    return `${mark(lineOf(scope.node))}${unit.use('enter')}(); try { ${code} } finally { ${unit.use('budget')}.depth--; }`
  }

  const main = writeFunction(scopes.main, 'main')
  const makers = [...shapes].map(([text, name]) => `const ${name} = ${text};`)
  const names = [...used].join(', ')
  return layOut(`'use strict'; (({ ${names} }) => { ${makers.join(' ')} return ${main} })`)
}

function writeShape(fields: string[], unit: Unit): string {
  const properties = fields.map(declareField)
  const assigned = properties.map((property) => `it.${property} = ${property};`).join(' ')
  return `(${properties.join(', ')}) => { const it = ${unit.use('makeTable')}([]); ${assigned} return it }`
}

/** Breaks the code where its lines come from another line of the Lua text, and keeps record of that. */
function layOut(marked: string): { code: string; lines: number[] } {
  const lines = [1, 1]
  const code = marked.replace(/⟨(\d+)⟩/g, (_, digits: string) => {
    const line = Number(digits)
    if (lines.at(-1) === line) return ''
    lines.push(line)
    return '\n'
  })
  return { code, lines }
}
