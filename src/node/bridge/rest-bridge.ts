/** The REST bridge: serves any engine over the part of Upstash's REST protocol that our client uses. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Engine } from '../../store/redis.ts'
import { type Entry, readEntries, readEntry } from '../engines/request.ts'
import { encodeReply, parseCommand, parseCommands, Refusal, readText } from './rest-codec.ts'
import { createCommandFilter, type Prepared } from './rest-commands.ts'

export interface RestBridgeOptions {
  engine: Engine
  /** What callers must present as bearer token. */
  token: string
  /** @default 10 MiB, the limit of Upstash's smaller plans */
  maxBodyBytes?: number
}

export interface RestBridge {
  fetch(request: Request): Promise<Response>
}

type Batch = 'pipeline' | 'multi-exec'

const digest = (text: string) => createHash('sha256').update(text).digest()

/** Compares digests, so that the time it takes tells nothing about the token. */
function createGuard(token: string): (headers: Headers) => boolean {
  if (token === '') throw new Error('The bridge needs a token')
  const expected = digest(token)
  return (headers) => {
    const bearer = /^Bearer +(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]
    return timingSafeEqual(digest(bearer ?? ''), expected)
  }
}

/** A transaction that was discarded has one answer: the error that it was discarded for. */
function refuseDiscarded(entries: Entry[]): void {
  const failures = entries.flatMap((entry) => ('error' in entry ? [entry.error] : []))
  const discarded = failures.find((error) => error.startsWith('EXECABORT'))
  if (discarded === undefined) return
  throw new Refusal(400, failures.find((error) => !error.startsWith('EXECABORT')) ?? discarded)
}

/** Puts each reply of the engine in the place of its command, among the commands that were refused. */
function merge(prepared: Prepared[], replies: Entry[]): Entry[] {
  let next = 0
  return prepared.map((command) => ('error' in command ? command : readEntry(replies[next++])))
}

/**
 * Answers `POST /` (one command), `/pipeline` and `/multi-exec` (several) from `engine`. Neither
 * commands nor tokens are logged.
 */
export function createRestBridge(options: RestBridgeOptions): RestBridge {
  const { engine, token, maxBodyBytes = 10 * 1024 * 1024 } = options
  const isAuthorized = createGuard(token)
  const prepare = createCommandFilter()

  async function single(words: string[]): Promise<Entry> {
    const command = prepare(words)
    if ('error' in command) return command
    return readEntry(await engine.request({ body: command.words }))
  }

  async function batch(path: Batch, commands: string[][]): Promise<Entry[]> {
    const prepared = commands.map(prepare)
    const refused = prepared.find((command) => 'error' in command)
    if (refused && path === 'multi-exec') throw new Refusal(400, refused.error)
    const body = prepared.flatMap((command) => ('words' in command ? [command.words] : []))
    const replies = readEntries(await engine.request({ path: [path], body }))
    if (path === 'multi-exec') refuseDiscarded(replies)
    return merge(prepared, replies)
  }

  async function perform(request: Request): Promise<Entry | Entry[]> {
    if (!isAuthorized(request.headers)) throw new Refusal(401, 'Unauthorized')
    if (request.method !== 'POST') throw new Refusal(405, 'Method Not Allowed')
    const { pathname } = new URL(request.url)
    const read = () => readText(request, maxBodyBytes)
    switch (pathname) {
      case '/':
        return single(parseCommand(await read()))
      case '/pipeline':
        return batch('pipeline', parseCommands(await read()))
      case '/multi-exec':
        return batch('multi-exec', parseCommands(await read()))
      default:
        throw new Refusal(404, 'Not Found')
    }
  }

  return {
    async fetch(request) {
      const isEncoded = request.headers.get('upstash-encoding')?.toLowerCase() === 'base64'
      const shape = (entry: Entry): Entry =>
        isEncoded && 'result' in entry ? { result: encodeReply(entry.result) } : entry
      try {
        const answer = await perform(request)
        if (Array.isArray(answer)) return respond(200, answer.map(shape))
        return respond('error' in answer ? 400 : 200, shape(answer))
      } catch (error) {
        if (error instanceof Refusal) return respond(error.status, { error: error.message })
        // Not an error of Redis: the caller must not take it for the reply to its command.
        return respond(503, { error: 'The store behind this bridge does not answer' })
      }
    },
  }
}

function respond(status: number, answer: Entry | Entry[]): Response {
  return Response.json(answer, { status, headers: status === 405 ? { allow: 'POST' } : {} })
}
