/** Reads the Lua text of a script into a syntax tree. */
import luaparse, { type Chunk, type Expression, type Node } from 'luaparse'
import { CHUNK } from './errors.ts'

/** A call, however its arguments are written. */
export type Call = Extract<
  Expression,
  { type: 'CallExpression' | 'StringCallExpression' | 'TableCallExpression' }
>

/** A text that is no Lua 5.1, or goes beyond a limit of its compiler; the message has place and cause. */
export class SyntaxFault extends Error {
  constructor(line: number, cause: string) {
    super(`${CHUNK}:${line}: ${cause}`)
  }
}

/** Where a node is in the text, from its first character to the one behind its last. */
export const rangeOf = (node: Node): [number, number] =>
  (node as { range?: [number, number] }).range ?? [0, 0]

/** The line on which a node begins, from 1. */
export const lineOf = (node: Node): number => node.loc?.start.line ?? 0
export const lastLineOf = (node: Node): number => node.loc?.end.line ?? 0

/** Reads a text of bytes. @throws SyntaxFault where it is not Lua 5.1, RangeError where it nests too deeply. */
export function parse(text: string): Chunk {
  try {
    return luaparse.parse(text, {
      comments: false,
      encodingMode: 'pseudo-latin1',
      locations: true,
      luaVersion: '5.1',
      ranges: true,
    })
  } catch (error) {
    throw asFault(error)
  }
}

/** The parser names the token behind the unexpected one; Lua names the unexpected one. */
function asFault(error: unknown): unknown {
  if (!(error instanceof SyntaxError)) return error
  const [, line, cause = ''] = /^\[(\d+):\d+\] ([\s\S]*)$/.exec(error.message) ?? []
  const [, found] = /^unexpected [\w ]+ '([\s\S]*)' near '[\s\S]*'$/.exec(cause) ?? []
  const told =
    found === undefined
      ? cause.replace('<expression> expected', 'unexpected symbol')
      : `unexpected symbol near '${found}'`
  return new SyntaxFault(Number(line), told)
}

/** The place of the first character from `at` on that is neither blank nor in a comment. */
export function nextToken(text: string, at: number): number {
  let next = at
  while (next < text.length) {
    if (text.startsWith('--', next)) next = commentEnd(text, next + 2)
    else if (' \t\n\v\f\r'.includes(text.charAt(next))) next++
    else break
  }
  return next
}

/** The end of a comment whose text begins at `at`. */
function commentEnd(text: string, at: number): number {
  let level = at + 1
  while (text[level] === '=') level++
  const isLong = text[at] === '[' && text[level] === '['
  const mark = isLong ? `]${text.slice(at + 1, level)}]` : '\n'
  const end = text.indexOf(mark, at)
  return end < 0 ? text.length : end + mark.length
}

/** The arguments of a call, however it is written. */
export function argumentsOf(node: Call): Expression[] {
  if (node.type === 'StringCallExpression') return [node.argument]
  return Array.isArray(node.arguments) ? node.arguments : [node.arguments]
}
