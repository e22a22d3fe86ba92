/** The request shapes of the Upstash client, decoded once for every engine that runs in process. */
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
