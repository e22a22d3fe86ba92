/** The REST bridge: serves any engine over Upstash's REST protocol. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Engine } from '../../store/redis.ts'
import type { Entry } from '../embedded/request.ts'
import {
  encodeReply,
  parseCommand,
  parseCommands,
  parsePath,
  Refusal,
  readText,
} from './rest-codec.ts'
import { createCommandFilter, type Prepared } from './rest-commands.ts'

export interface RestBridgeOptions {
  engine: Engine
  /** What callers must present, as bearer token or as `_token` in the query. */
  token: string
  /** @default 10 MiB, the limit of Upstash's smaller plans */
  maxBodyBytes?: number
}

export interface RestBridge {
  fetch(request: Request): Promise<Response>
}

type Batch = 'pipeline' | 'multi-exec'

const allowed = 'HEAD, GET, POST, PUT'

const digest = (text: string) => createHash('sha256').update(text).digest()

/** Compares digests, so that the time it takes tells nothing about the token. */
function createGuard(token: string): (request: Request, url: URL) => boolean {
  if (token === '') throw new Error('The bridge needs a token')
  const expected = digest(token)
  return ({ headers }, url) => {
    const bearer = /^Bearer +(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]
    return timingSafeEqual(digest(bearer ?? url.searchParams.get('_token') ?? ''), expected)
  }
}

/** The answer to a command whose script went to the engine in another form. */
function finish(command: Prepared, reply: Entry | undefined): Entry {
  if ('error' in command) return { error: command.error }
  if (reply === undefined) throw new Error('The engine left a command without an answer')
  return command.digest !== undefined && 'result' in reply ? { result: command.digest } : reply
}

/** A transaction that was discarded has one answer: the error that it was discarded for. */
function refuseDiscarded(entries: Entry[]): void {
  const failures = entries.flatMap((entry) => ('error' in entry ? [entry.error] : []))
  const discarded = failures.find((error) => error.startsWith('EXECABORT'))
  if (discarded === undefined) return
  throw new Refusal(400, failures.find((error) => !error.startsWith('EXECABORT')) ?? discarded)
}

/** Answers requests of the Upstash protocol from `engine`; neither commands nor tokens are logged. */
export function createRestBridge(options: RestBridgeOptions): RestBridge {
  const { engine, token, maxBodyBytes = 10 * 1024 * 1024 } = options
  const isAuthorized = createGuard(token)
  const prepare = createCommandFilter()

  async function single(words: string[]): Promise<Entry> {
    const command = prepare(words)
    if ('error' in command) return command
    return finish(command, (await engine.request({ body: command.words })) as Entry)
  }

  async function batch(path: Batch, commands: string[][]): Promise<Entry[]> {
    const prepared = commands.map(prepare)
    const refused = prepared.find((command) => 'error' in command)
    if (refused && path === 'multi-exec') throw new Refusal(400, refused.error)
    const body = prepared.flatMap((command) => ('words' in command ? [command.words] : []))
    const replies = (await engine.request({ path: [path], body })) as unknown as Entry[]
    if (path === 'multi-exec') refuseDiscarded(replies)
    let next = 0
    return prepared.map((command) =>
      finish(command, 'words' in command ? replies[next++] : undefined),
    )
  }

  async function perform(request: Request): Promise<Entry | Entry[]> {
    const url = new URL(request.url)
    if (!isAuthorized(request, url)) throw new Refusal(401, 'Unauthorized')
    if (!allowed.split(', ').includes(request.method)) throw new Refusal(405, 'Method Not Allowed')
    if ((request.headers.get('upstash-response-format') ?? 'json') !== 'json') {
      throw new Refusal(400, 'ERR only the response format json is supported')
    }
    const hasBody = request.method === 'POST' || request.method === 'PUT'
    const text = hasBody ? await readText(request, maxBodyBytes) : ''
    if (hasBody && url.pathname === '/') return single(parseCommand(text))
    if (hasBody && url.pathname === '/pipeline') return batch('pipeline', parseCommands(text))
    if (hasBody && url.pathname === '/multi-exec') return batch('multi-exec', parseCommands(text))
    return single(parsePath(url, text))
  }

  return {
    async fetch(request) {
      const isEncoded = request.headers.get('upstash-encoding')?.toLowerCase() === 'base64'
      const shape = (entry: Entry): Entry =>
        isEncoded && 'result' in entry ? { result: encodeReply(entry.result) } : entry
      try {
        const answer = await perform(request)
        if (Array.isArray(answer)) return respond(request, 200, answer.map(shape))
        return respond(request, 'error' in answer ? 400 : 200, shape(answer))
      } catch (error) {
        if (error instanceof Refusal)
          return respond(request, error.status, { error: error.message })
        // Not a word of Redis: the caller must not take it for the reply to its command.
        return respond(request, 503, { error: 'The store behind this bridge does not answer' })
      }
    },
  }
}

function respond(request: Request, status: number, answer: Entry | Entry[]): Response {
  const headers = new Headers({ 'content-type': 'application/json' })
  // There is one store and no replica: whatever a caller has seen, it will see again.
  const syncToken = request.headers.get('upstash-sync-token')
  if (syncToken) headers.set('upstash-sync-token', syncToken)
  if (status === 405) headers.set('allow', allowed)
  return new Response(request.method === 'HEAD' ? null : JSON.stringify(answer), {
    status,
    headers,
  })
}
