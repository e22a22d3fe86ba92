/** Behaviours that speak Anthropic Messages, whole or broken at a chosen event. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { AnthropicUsage, Behaviour, Exchange } from './upstream.ts'

export interface StreamScript {
  /** The texts of the content deltas. */
  deltas?: string[]
  usage?: Partial<AnthropicUsage>
  /** Pause after each chunk. */
  delayMs?: number
  /** How the bytes are cut into chunks; 'random' is the same on each run. */
  chunking?: 'event' | 'byte' | 'random'
  /** The first and only event is an error. */
  errorFirst?: boolean
  /** After so many events: an error event and the end. */
  errorAfterEvents?: number
  /** After so many events: a clean end of the response. */
  endAfterEvents?: number
  /** After so many events: the connection breaks. */
  cutAfterEvents?: number
  /** After so many events: silence, until the client leaves. */
  stallAfterEvents?: number
}

interface StreamEvent {
  text: string
  /** The running total once this event is out; absent where the event does not change it. */
  usage?: AnthropicUsage
}

const defaultDeltas = ['Hi from', ' mock.']

const completeUsage = (usage: Partial<AnthropicUsage> = {}): AnthropicUsage => ({
  input_tokens: 12,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens: 7,
  ...usage,
})

const event = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

const errorEvent = event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } })

function modelOf({ request }: Exchange): string {
  try {
    return String(JSON.parse(request.body.toString()).model)
  } catch {
    return 'unknown'
  }
}

/** Answers with a complete message. */
export const anthropicJson =
  (answer: { text?: string; usage?: Partial<AnthropicUsage> } = {}): Behaviour =>
  (exchange) => {
    const usage = completeUsage(answer.usage)
    const message = {
      id: 'msg_mock001',
      type: 'message',
      role: 'assistant',
      model: modelOf(exchange),
      content: [{ type: 'text', text: answer.text ?? defaultDeltas.join('') }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage,
    }
    exchange.served.usage = usage
    exchange.response.writeHead(200, { 'content-type': 'application/json' })
    exchange.response.end(JSON.stringify(message))
  }

/** The events of one answer. Its output tokens are spread evenly over the deltas. */
function* script(model: string, { deltas = defaultDeltas, ...rest }: StreamScript) {
  const usage = completeUsage(rest.usage)
  const upTo = (share: number): AnthropicUsage => ({
    ...usage,
    output_tokens: Math.min(
      usage.output_tokens,
      Math.max(1, Math.round(usage.output_tokens * share)),
    ),
  })
  const start = upTo(0)
  const message = { id: 'msg_mock001', type: 'message', role: 'assistant', model, content: [] }
  const unfinished = { stop_reason: null, stop_sequence: null, usage: start }
  yield { text: event('message_start', { message: { ...message, ...unfinished } }), usage: start }
  const block = { index: 0, content_block: { type: 'text', text: '' } }
  yield { text: event('content_block_start', block) }
  yield { text: event('ping', {}) }
  for (const [i, text] of deltas.entries()) {
    const delta = { index: 0, delta: { type: 'text_delta', text } }
    yield { text: event('content_block_delta', delta), usage: upTo((i + 1) / deltas.length) }
  }
  yield { text: event('content_block_stop', { index: 0 }) }
  const stop = { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage }
  yield { text: event('message_delta', stop), usage }
  yield { text: event('message_stop', {}) }
}

function* pieces(text: string, chunking: StreamScript['chunking'], random: () => number) {
  const encoded = Buffer.from(text)
  for (let from = 0; from < encoded.length; ) {
    const size =
      chunking === 'byte' ? 1 : chunking === 'random' ? 1 + Math.floor(random() * 40) : Infinity
    yield encoded.subarray(from, from + size)
    from += size
  }
}

// A linear congruential generator: a failure with random chunks can be repeated.
const generator = (seed: number) => () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
  return seed / 2 ** 31
}

/** Streams a message, event by event, until the script breaks it off. */
export const anthropicStream =
  (options: StreamScript = {}): Behaviour =>
  async (exchange) => {
    const { response, served, over } = exchange
    const random = generator(1)
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    response.flushHeaders()

    const write = async ({ text, usage }: StreamEvent) => {
      for (const piece of pieces(text, options.chunking, random)) {
        if (!response.write(piece)) await once(response, 'drain', { signal: over })
        if (options.delayMs) await delay(options.delayMs, undefined, { signal: over })
      }
      over.throwIfAborted()
      if (usage) served.usage = usage
    }
    const failure = async () => {
      exchange.spoil()
      await write({ text: errorEvent })
      response.end()
    }

    if (options.errorFirst) return failure()
    let sent = 0
    for (const each of script(modelOf(exchange), options)) {
      if (sent === options.errorAfterEvents) return failure()
      if (sent === options.stallAfterEvents) return
      if (sent === options.cutAfterEvents) return exchange.cut('end')
      if (sent === options.endAfterEvents) {
        exchange.spoil()
        return void response.end()
      }
      await write(each)
      sent += 1
    }
    response.end()
  }
