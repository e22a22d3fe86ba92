/** The requests and answers of the engine seam, for the engines that get them as commands. */
import type { Engine } from '../../store/redis.ts'

type EngineRequest = Parameters<Engine['request']>[0]

/** One entry of an answer; a pipeline answers with an array of them. */
export type Entry = { result: unknown } | { error: string }

export type Batch =
  | { kind: 'single'; command: string[] }
  | { kind: 'pipeline'; commands: string[][] }
  | { kind: 'multi'; commands: string[][] }

/** Reads the one command, the pipeline or the transaction that a request carries. */
export function decodeRequest(request: EngineRequest): Batch {
  const path = request.path?.[0]
  if (path === undefined) return { kind: 'single', command: words(request.body) }
  if (path !== 'pipeline' && path !== 'multi-exec') throw new Error(`Unsupported path: ${path}`)
  if (!Array.isArray(request.body)) throw new Error('A pipeline must be an array of commands')
  const commands = request.body.map(words)
  return path === 'pipeline' ? { kind: 'pipeline', commands } : { kind: 'multi', commands }
}

/** Gives the answer the type that the client expects of its requester. */
export function encodeAnswer<T>(answer: Entry | Entry[]): T {
  return answer as T
}

/** Checks an answer to one command. @throws Error if it is neither a result nor an error. */
export function readEntry(answer: unknown): Entry {
  if (typeof answer === 'object' && answer !== null) {
    if ('error' in answer && typeof answer.error === 'string') return { error: answer.error }
    if ('result' in answer) return { result: answer.result }
  }
  throw new Error('The engine left a command without an answer')
}

/** Checks the answer to a pipeline or a transaction. @throws Error if it is not an array of entries. */
export function readEntries(answer: unknown): Entry[] {
  if (!Array.isArray(answer)) throw new Error('The engine answered a pipeline with one entry')
  return answer.map(readEntry)
}

function words(body: unknown): string[] {
  if (!Array.isArray(body) || body.length === 0) {
    throw new Error('A command must be a non-empty array')
  }
  return body.map(word)
}

function word(value: unknown): string {
  if (typeof value === 'string') return value
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
