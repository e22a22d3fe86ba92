/** A simulated upstream for a gateway in virtual time: scripted answers, without sockets. */
import type { Runtime, UpstreamRequest } from '../../src/runtime.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Answers one request, or throws as a connection does that breaks. */
export type VirtualBehaviour = (time: VirtualTime, signal: AbortSignal) => Promise<Response>

/** A complete message. */
export const message = (): VirtualBehaviour => async () =>
  Response.json({ type: 'message', content: [], usage: { input_tokens: 1, output_tokens: 1 } })

/** Any other JSON. */
export const answer =
  (status: number, body: unknown = {}): VirtualBehaviour =>
  async () =>
    Response.json(body, { status })

/** The connection breaks. */
export const broken = (): VirtualBehaviour => async () => {
  throw new TypeError('fetch failed')
}

/** Waits before it behaves, unless the gateway leaves. */
export const after =
  (ms: number, behaviour: VirtualBehaviour): VirtualBehaviour =>
  async (time, signal) => {
    await time.sleep(ms, signal)
    return behaviour(time, signal)
  }

/** Says nothing until the gateway leaves. */
export const silence = (): VirtualBehaviour => (_, signal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

const event = (type: string, fields: object) =>
  new TextEncoder().encode(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`)

/** The events of a message: its start, so many texts, and its end. */
function* eventsOf(texts: number) {
  const usage = { input_tokens: 1, output_tokens: 1 }
  yield event('message_start', { message: { role: 'assistant', usage } })
  const delta = { index: 0, delta: { type: 'text_delta', text: 'Hello' } }
  for (let i = 0; i < texts; i++) yield event('content_block_delta', delta)
  const end = event('message_delta', { delta: { stop_reason: 'end_turn' }, usage })
  yield Buffer.concat([end, event('message_stop', {})])
}

/** Streams a message of one event for each of these pauses, and makes the pause before it. */
export const stream =
  (...pausesMs: number[]): VirtualBehaviour =>
  async (time, signal) => {
    const events = [...eventsOf(pausesMs.length - 2)]
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const bytes = events.shift()
        if (!bytes) return controller.close()
        await time.sleep(pausesMs.shift() ?? 0, signal)
        controller.enqueue(bytes)
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }

export interface VirtualUpstream {
  fetch: Runtime['fetch']
  /** The credential of each request, in order. */
  requests: string[]
  /** How many requests were open at the same time, at most. */
  mostAtOnce(): number
  /** Answers credentials that have no behaviours of their own: each request takes the next, the last stays. */
  respond(...behaviours: VirtualBehaviour[]): void
  /** Answers one credential, in the same way. */
  behave(credential: string, ...behaviours: VirtualBehaviour[]): void
}

/** It answers `message()` until it is told otherwise. */
export function createVirtualUpstream(time: () => VirtualTime): VirtualUpstream {
  const requests: string[] = []
  const queues = new Map<string | undefined, VirtualBehaviour[]>()
  let open = 0
  let mostOpen = 0
  const next = (credential: string): VirtualBehaviour => {
    const queue = queues.get(credential) ?? queues.get(undefined) ?? []
    return (queue.length > 1 ? queue.shift() : queue[0]) ?? message()
  }
  return {
    requests,
    mostAtOnce: () => mostOpen,
    respond: (...behaviours) => void queues.set(undefined, behaviours),
    behave: (credential, ...behaviours) => void queues.set(credential, behaviours),
    async fetch(_url, { headers, signal }: UpstreamRequest) {
      const credential = headers.get('x-api-key') ?? ''
      requests.push(credential)
      mostOpen = Math.max(mostOpen, ++open)
      try {
        return await next(credential)(time(), signal)
      } finally {
        open--
      }
    },
  }
}
