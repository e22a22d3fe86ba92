/** A scriptable upstream on a real loopback socket, which counts what it serves. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { anthropicJson } from './anthropic.ts'

export { anthropicJson, anthropicStream } from './anthropic.ts'
export * from './behaviours.ts'

export interface RecordedRequest {
  method: string
  /** Path and query as they were sent. */
  path: string
  headers: IncomingMessage['headers']
  /** The raw body, as it came. */
  body: Buffer
  /** The `x-api-key`, or else the bearer token; empty without either. */
  credential: string
  /** Settles when the exchange is over: true if the client left before the answer was complete. */
  aborted: Promise<boolean>
}

export interface AnthropicUsage {
  input_tokens: number
  cache_creation_input_tokens: number
  cache_read_input_tokens: number
  output_tokens: number
}

/** What one answer has delivered so far; grows while it streams. */
export interface Served {
  credential: string
  /** The tokens written to the client, to the last event; undefined before any was. */
  usage: AnthropicUsage | undefined
  /** The answer was written to its proper end: for a stream, to its last event. */
  completed: boolean
  /** The client left first. */
  aborted: boolean
}

export interface Exchange {
  request: RecordedRequest
  response: ServerResponse
  served: Served
  /** Aborts when the answer is over, whoever ended it. */
  over: AbortSignal
  /** Says that the answer stays incomplete on purpose, even if it ends well. */
  spoil(): void
  /** Breaks the connection on purpose: at once with a reset, or after what was written. */
  cut(how: 'reset' | 'end'): void
}

/** Answers one request. A behaviour that returns without an answer leaves the client waiting. */
export type Behaviour = (exchange: Exchange) => void | Promise<void>

export interface Upstream {
  url: string
  /** Every request whose body arrived, in that order. */
  requests: RecordedRequest[]
  /** What was served, one entry for each request. */
  served: Served[]
  /** Answers whoever has no behaviour of their own: each request takes the next, the last stays. */
  respond(...behaviours: Behaviour[]): void
  /** Answers one credential, in the same way. */
  behave(credential: string, ...behaviours: Behaviour[]): void
  close(): Promise<void>
}

/** Starts an upstream on a free port; it answers `anthropicJson()` until it is told otherwise. */
export async function startUpstream(): Promise<Upstream> {
  const requests: RecordedRequest[] = []
  const served: Served[] = []
  const queues = new Map<string | undefined, Behaviour[]>()

  const next = (credential: string): Behaviour => {
    const queue = queues.get(credential) ?? queues.get(undefined) ?? []
    return (queue.length > 1 ? queue.shift() : queue[0]) ?? anthropicJson()
  }

  const server = createServer(async (incoming, response) => {
    try {
      const exchange = await open(incoming, response)
      requests.push(exchange.request)
      served.push(exchange.served)
      await next(exchange.request.credential)(exchange)
    } catch {
      response.destroy() // the client left, or the behaviour is broken: the test sees a reset
    }
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    served,
    respond: (...behaviours) => void queues.set(undefined, behaviours),
    behave: (credential, ...behaviours) => void queues.set(credential, behaviours),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function open(incoming: IncomingMessage, response: ServerResponse): Promise<Exchange> {
  const bearer = incoming.headers.authorization?.replace(/^bearer /i, '')
  const credential = String(incoming.headers['x-api-key'] ?? bearer ?? '')
  const served: Served = { credential, usage: undefined, completed: false, aborted: false }
  const over = new AbortController()
  let spoilt = false
  let isCut = false
  const aborted = new Promise<boolean>((resolve) => {
    response.once('close', () => {
      served.completed = response.writableFinished && !spoilt
      served.aborted = !response.writableFinished && !isCut
      over.abort()
      resolve(served.aborted)
    })
  })
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  const { method = '', url: path = '', headers } = incoming
  const request = { method, path, headers, body: Buffer.concat(chunks), credential, aborted }
  return {
    request,
    response,
    served,
    over: over.signal,
    spoil: () => {
      spoilt = true
    },
    cut: (how) => {
      isCut = true
      if (how === 'reset') response.socket?.resetAndDestroy()
      else response.socket?.end()
    },
  }
}
